"""Shape groups: which runs share a program, and whether the memory told beforehand is what they take."""

import jax
import pytest

from plas_jax.algorithms import behaviour, plas
from plas_jax.algorithms.presets import PRESETS, for_dataset, latent_limit
from plas_jax.commands import sweep_data
from plas_jax.commands.sweep_groups import groups, lines, memory, widest
from plas_jax.commands.sweep_request import request
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, names
from plas_jax.recipes.collect import make

THIRTEEN = [
    *(
        f"{robot}-{level}-r1"
        for robot in ENVIRONMENTS
        for level in ("random", "medium", "medium-replay", "medium-expert")
    ),
    "hopper-medium-expert-a-r1",
]


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
    wide, narrow = groups(asked(THIRTEEN))
    assert (wide.width, narrow.width) == (750, 128)
    assert [dataset.name for dataset in narrow.request.datasets] == [
        f"{robot}-medium-replay-r1" for robot in ENVIRONMENTS
    ]
    assert len(wide.request.datasets) == 10
    assert narrow.request.preset == PRESETS["paper"]._replace(policy=PRESETS["paper"].policy._replace(cvae_width=128))
    assert len(groups(asked(THIRTEEN, "official_code"))) == len(groups(asked(THIRTEEN, "quick"))) == 1


@pytest.mark.parametrize("name", names())
def test_width_and_sigma_are_those_of_the_data_set_in_every_version(name):
    paper, level = PRESETS["paper"], name.partition("-")[2]
    replay = level.startswith("medium-replay-")
    assert for_dataset(paper, name).policy.cvae_width == (128 if replay else 750)
    narrow_latent = name.startswith(("hopper-medium-replay-", "halfcheetah-medium-expert-"))
    assert latent_limit(paper, name) == (0.5 if narrow_latent else 2.0)


def test_data_of_another_environment_do_not_widen_the_robots(tmp_path):
    d4rl_files.write(tmp_path / "mine.hdf5", {"observations": [[0.0]]}, {})
    mine = f"{tmp_path / 'mine.hdf5'}@Pendulum-v1"
    robots, own = groups(asked(["hopper-random-r1", mine, "walker2d-medium-r1"]))
    assert [dataset.name for dataset in robots.request.datasets] == ["hopper-random-r1", "walker2d-medium-r1"]
    assert widest(robots.request.datasets).observation.padded == 17
    assert widest(own.request.datasets).observation.padded == 3
    assert robots.name != own.name


def test_the_memory_told_is_what_the_arrays_take(tmp_path):
    of = asked(["hopper-random-r1", "halfcheetah-random-r1"], "smoke", data_dir=tmp_path)
    (group,) = groups(of)
    rows = sweep_data.expected_rows(of)
    files = {dataset.name: [make(dataset.name, 1000, 0, tmp_path)] for dataset in of.datasets}
    data = sweep_data.load(of, files)
    told = memory(group, rows)
    whole = sum(column.base.nbytes for column in jax.tree.leaves(data.rows.transitions))
    assert told.data <= whole <= told.data + 5 * 64
    sizes, preset = widest(of.datasets), group.request.preset
    cvae = behaviour.init(jax.random.key(0), preset.behaviour_architecture(), sizes)
    policy = plas.init(jax.random.key(0), preset.policy, sizes, cvae.cvae.parameters)
    one, other = (sum(leaf.nbytes for leaf in map(jax.numpy.asarray, jax.tree.leaves(of))) for of in (cvae, policy))
    assert told.states == 6 * one + 2 * 12 * other


def test_the_plan_of_the_thirteen_at_a_million_rows_fits_in_8_gb():
    of = groups(asked(THIRTEEN, perturbation_limits="", seeds=3))
    rows = [sum(max(10**6, dataset.rows) for dataset in group.request.datasets) for group in of]
    needed = [memory(group, count) for group, count in zip(of, rows, strict=True)]
    assert max(group.data + group.states for group in needed) < 8e9
    told = lines(of, rows)
    assert told[0] == "2 shape groups, one program for each phase of each"
    assert "150 runs over 30 CVAEs 750 wide" in told[1]
    assert "45 runs over 9 CVAEs 128 wide" in told[2]
