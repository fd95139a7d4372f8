"""Shape groups: which runs share a program, and whether the memory told beforehand is what they take."""

import jax
import pytest

from plas_jax.algorithms import behaviour, plas
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, names
from plas_jax.methods.presets import PRESETS, latent_limit, plas_method
from plas_jax.recipes.collect import make
from plas_jax.sweeps import data
from plas_jax.sweeps.groups import lines, memory, widest
from plas_jax.sweeps.request import asked_groups, request

THIRTEEN = [
    *(
        f"{robot}-{level}-r1"
        for robot in ENVIRONMENTS
        for level in ("random", "medium", "medium-replay", "medium-expert")
    ),
    "hopper-medium-expert-a-r1",
]


def cvae_width(method):
    return method.phase.architecture.cvae_width


def asked(datasets, preset="paper", **changes):
    flags = {
        "preset": preset,
        "datasets": ",".join(datasets),
        "perturbation_limits": "0,0.1",
        "seeds": 3,
        "first_seed": 0,
        "dynamics": "d4rl",
        "data_dir": None,
        "output": None,
        "resume": False,
    }
    return request(**flags | changes)


def test_the_papers_thirteen_data_sets_are_two_groups():
    """Appendix A: the CVAEs of the replay sets are 128 wide, all others 750."""
    wide, narrow = asked_groups(asked(THIRTEEN))
    assert (cvae_width(wide.method), cvae_width(narrow.method)) == (750, 128)
    assert narrow.method.first.architecture.cvae_width == 128
    assert [dataset.name for dataset in narrow.datasets] == [f"{robot}-medium-replay-r1" for robot in ENVIRONMENTS]
    assert len(wide.datasets) == 10
    assert narrow.method.phase.architecture == PRESETS["paper"].policy._replace(cvae_width=128)
    assert len(asked_groups(asked(THIRTEEN, "official_code"))) == len(asked_groups(asked(THIRTEEN, "quick"))) == 1


@pytest.mark.parametrize("name", names())
def test_width_and_sigma_are_those_of_the_data_set_in_every_version(name):
    paper, level = PRESETS["paper"], name.partition("-")[2]
    replay = level.startswith("medium-replay-")
    assert cvae_width(plas_method(paper).for_dataset(name)) == (128 if replay else 750)
    narrow_latent = name.startswith(("hopper-medium-replay-", "halfcheetah-medium-expert-"))
    assert latent_limit(paper, name) == (0.5 if narrow_latent else 2.0)


def test_data_of_another_environment_do_not_widen_the_robots(tmp_path):
    d4rl_files.write(tmp_path / "mine.hdf5", {"observations": [[0.0]]}, {})
    mine = f"{tmp_path / 'mine.hdf5'}@Pendulum-v1"
    robots, own = asked_groups(asked(["hopper-random-r1", mine, "walker2d-medium-r1"]))
    assert [dataset.name for dataset in robots.datasets] == ["hopper-random-r1", "walker2d-medium-r1"]
    assert widest(robots.datasets).observation.padded == 17
    assert widest(own.datasets).observation.padded == 3
    assert robots.name != own.name


def test_the_memory_told_is_what_the_arrays_take(tmp_path):
    of = asked(["hopper-random-r1", "halfcheetah-random-r1"], "smoke", data_dir=tmp_path)
    (group,) = asked_groups(of)
    rows = data.expected_rows(of.datasets, of.preset.rows, tmp_path)
    files = {dataset.name: [make(dataset.name, 1000, 0, tmp_path)] for dataset in of.datasets}
    loaded = data.load(of.datasets, files, data.Needs())
    told = memory(group, rows)
    whole = sum(column.base.nbytes for column in jax.tree.leaves(loaded.rows.transitions))
    assert told.data <= whole <= told.data + 5 * 64
    sizes, preset = widest(of.datasets), of.preset
    cvae = behaviour.init(jax.random.key(0), preset.behaviour_architecture(), sizes)
    policy = plas.init(jax.random.key(0), preset.policy, sizes, cvae.cvae.parameters)
    one, other = (sum(leaf.nbytes for leaf in map(jax.numpy.asarray, jax.tree.leaves(of))) for of in (cvae, policy))
    # Thrice on a CPU: before a chunk, after it, and while a checkpoint is written.
    assert told.states == 6 * one + 3 * 12 * other


def test_the_plan_of_the_thirteen_at_a_million_rows_fits_in_8_gb():
    of = asked_groups(asked(THIRTEEN, perturbation_limits="", seeds=3))
    rows = [sum(max(10**6, dataset.rows) for dataset in group.datasets) for group in of]
    needed = [memory(group, count) for group, count in zip(of, rows, strict=True)]
    assert max(group.data + group.states for group in needed) < 10e9
    told = lines(of, rows)
    assert told[0] == "2 shape groups, one program for each phase of each"
    assert "150 runs over 30 CVAEs 750 wide" in told[1]
    assert "45 runs over 9 CVAEs 128 wide" in told[2]
