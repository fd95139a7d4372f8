"""Shape groups: which runs share a program, and whether the memory told beforehand is what they take."""

import jax
import numpy as np
import pytest

from plas_jax.algorithms import behaviour, plas
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import LOCOMOTION, names, parse
from plas_jax.environments.own_data import find
from plas_jax.methods.presets import PRESETS, TABLE_1_PERTURBATION_LIMITS, latent_limit, plas_method, plas_over
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.recipes.collect import make
from plas_jax.sweeps import data, dry_run
from plas_jax.sweeps.groups import groups, lines, memory, widest

THIRTEEN = [
    *(
        f"{robot}-{level}-r1"
        for robot in LOCOMOTION
        for level in ("random", "medium", "medium-replay", "medium-expert")
    ),
    "hopper-medium-expert-a-r1",
]


def cvae_width(method):
    return method.phase.architecture.cvae_width


def table_1_groups(names, preset="paper", limits=(0.0, 0.1)):
    method = plas_over(PRESETS[preset], "perturbation_limit", limits)
    return groups(method, PRESETS[preset].protocol(method), [find(name) for name in names], (0, 1, 2), "d4rl")


def test_the_papers_thirteen_data_sets_are_two_groups():
    """Appendix A: the CVAEs of the replay sets are 128 wide, all others 750."""
    wide, narrow = table_1_groups(THIRTEEN)
    assert (cvae_width(wide.method), cvae_width(narrow.method)) == (750, 128)
    assert narrow.method.first.architecture.cvae_width == 128
    assert [dataset.name for dataset in narrow.datasets] == [f"{robot}-medium-replay-r1" for robot in LOCOMOTION]
    assert len(wide.datasets) == 10
    assert narrow.method.phase.architecture == PRESETS["paper"].policy._replace(cvae_width=128)
    assert len(table_1_groups(THIRTEEN, "official_code")) == len(table_1_groups(THIRTEEN, "quick")) == 1


@pytest.mark.parametrize("name", names())
def test_width_and_sigma_are_those_of_the_data_set_in_every_version(name):
    paper, level = PRESETS["paper"], name.partition("-")[2]
    small = level.startswith(("medium-replay-", "human-")) or name.startswith(("kitchen-", "pen-"))
    assert cvae_width(plas_method(paper).for_dataset(name)) == (128 if small else 750)
    narrow_latent = name.startswith(("hopper-medium-replay-", "halfcheetah-medium-expert-"))
    assert latent_limit(paper, name) == (0.5 if narrow_latent else 2.0)


def test_data_of_another_environment_do_not_widen_the_robots(tmp_path):
    d4rl_files.write(tmp_path / "mine.hdf5", {"observations": [[0.0]]}, {})
    mine = f"{tmp_path / 'mine.hdf5'}@Pendulum-v1"
    robots, own = table_1_groups(["hopper-random-r1", mine, "walker2d-medium-r1"])
    assert [dataset.name for dataset in robots.datasets] == ["hopper-random-r1", "walker2d-medium-r1"]
    assert widest(robots.datasets).observation.padded == 17
    assert widest(own.datasets).observation.padded == 3
    assert (robots.name, own.name) == ("plas-750", "plas-750-3-1")


def test_families_are_what_networks_are_shared_by():
    method = METHODS["td3"]
    hopper, walker = parse("hopper-medium-r1"), parse("walker2d-medium-r1")
    maze = walker._replace(name="maze", environment=walker.environment._replace(name="maze", family="maze"))
    of = groups(method, SCORE_PRESETS["laptop"].protocol(method), [hopper, maze, walker], (0,), "d4rl")
    assert [[dataset.name for dataset in group.datasets] for group in of] == [[hopper.name, walker.name], ["maze"]]


@pytest.mark.parametrize(
    ("algorithm", "name", "line"),
    [
        ("rebrac", "mine@Pendulum-v1", "no published constants, so policy_penalty 0.01 and critic_penalty 0.01"),
        ("rebrac", "mine@hopper", "no published constants, so policy_penalty 0.01 and critic_penalty 0.01"),
        ("rebrac", "hopper-medium-v2@hopper", ""),
        ("bear", "mine@Pendulum-v1", "no published constants, so gaussian_kernel 0"),
        ("bear", "mine@hopper", ""),
        ("plas", "mine@Pendulum-v1", "no published constants, so latent_limit 2"),
        ("plas", "mine@hopper", ""),
        ("td3+bc", "mine@Pendulum-v1", ""),
        ("brac_v", "mine@Pendulum-v1", ""),
        ("cql", "mine@kitchen-mixed", "no published constants, so conservative_weight 10"),
        ("iql", "mine@maze2d-umaze", ""),
        ("iql", "mine@antmaze-umaze", ""),
    ],
)
def test_a_data_set_without_published_constants_says_so(tmp_path, algorithm, name, line):
    stem, _, environment = name.partition("@")
    d4rl_files.write(tmp_path / f"{stem}.hdf5", {"observations": [[0.0]]}, {})
    datasets = [find("walker2d-medium-r1"), find(f"{tmp_path / stem}.hdf5@{environment}")]
    method = METHODS[algorithm]
    of = groups(method, SCORE_PRESETS["laptop"].protocol(method), datasets, (0,), "d4rl")
    printed = lines(of, [1] * len(of))[1 + len(of) :]
    assert printed == ([f"{algorithm} on {name}: {line}"] if line else [])


def test_a_constant_that_the_user_gives_is_nobodys_to_publish():
    method = METHODS["rebrac"]._replace(grid=(("policy_penalty", (0.1, 0.2)),))
    of = groups(method, SCORE_PRESETS["laptop"].protocol(method), [parse("hopper-medium-expert-a-r1")], (0,), "d4rl")
    assert lines(of, [1])[2:] == ["rebrac on hopper-medium-expert-a-r1: no published constants, so critic_penalty 0.01"]
    official = plas_method(PRESETS["official_code"])  # one σ for all, by its own choice
    assert official.unpublished_of("mine@Pendulum-v1") == ()


def test_the_memory_told_is_what_the_arrays_take(tmp_path):
    preset = PRESETS["smoke"]
    (group,) = table_1_groups(["hopper-random-r1", "halfcheetah-random-r1"], "smoke")
    rows = data.expected_rows(group.datasets, preset.rows, tmp_path)
    files = {dataset.name: [make(dataset.name, 1000, 0, tmp_path)] for dataset in group.datasets}
    loaded = data.load(group.datasets, files, data.Needs())
    told = memory(group, rows)
    whole = sum(column.base.nbytes for column in jax.tree.leaves(loaded.rows.transitions))
    assert told.data <= whole <= told.data + 5 * 64
    sizes = widest(group.datasets)
    cvae = behaviour.init(jax.random.key(0), preset.behaviour_architecture(), sizes)
    policy = plas.init(jax.random.key(0), preset.policy, sizes, cvae.cvae.parameters)
    one, other = (sum(leaf.nbytes for leaf in map(jax.numpy.asarray, jax.tree.leaves(of))) for of in (cvae, policy))
    # Thrice on a CPU: before a chunk, after it, and while a checkpoint is written.
    assert told.states == 6 * one + 3 * 12 * other


def test_a_rehearsal_has_as_many_rows_as_the_data_or_as_it_needs():
    (group,) = table_1_groups(["hopper-random-r1", "halfcheetah-random-r1"], "smoke")
    rows = dry_run._rows(group, [7, dry_run.PROBED_ROWS + 1])
    assert rows.size.tolist() == [7, dry_run.PROBED_ROWS]
    assert rows.start.tolist() == [0, 7]
    for column in jax.tree.leaves(rows.transitions):
        assert len(column) == sum(rows.size)
        assert np.abs(column).max() <= 0.9


def test_the_plan_of_the_thirteen_at_a_million_rows_fits_in_8_gb():
    of = table_1_groups(THIRTEEN, limits=TABLE_1_PERTURBATION_LIMITS)
    rows = [sum(max(10**6, dataset.rows) for dataset in group.datasets) for group in of]
    needed = [memory(group, count) for group, count in zip(of, rows, strict=True)]
    assert max(group.data + group.states for group in needed) < 10e9
    told = lines(of, rows)
    assert told[0] == "2 shape groups, one program for each phase of each"
    assert "150 runs over 30 CVAEs 750 wide" in told[1]
    assert "45 runs over 9 CVAEs 128 wide" in told[2]
