"""Data and environments of one's own: Gymnasium's by id, HDF5 files by path, Minari's by name."""

import sys
import warnings

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plas_jax.datasets import d4rl_files, minari_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, normalised_score, parse
from plas_jax.datasets.loading import count_rows, describe_files, fingerprint, load
from plas_jax.datasets.recordings import BadDatasetError
from plas_jax.environments.episodes import Episodes
from plas_jax.environments.own import environment
from plas_jax.environments.own_data import find
from plas_jax.evaluation.returns import Stage

MODULE = '''
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete


class Reach(gymnasium.Env):
    """A point in the plane; the episode ends at the origin, and `heard` keeps the actions."""

    metadata = {"render_modes": []}

    def __init__(self, low=(-2.0, 0.25), high=(3.0, 0.5), dtype="float32", ref_min_score=None, ref_max_score=None):
        self.observation_space = Box(-np.inf, np.inf, (3,), np.float64)
        self.action_space = Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)
        self.heard = []

    def _seen(self):
        return np.append(self.place, np.hypot(*self.place))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=2)
        return self._seen(), {}

    def step(self, action):
        self.heard.append(action)
        self.place = self.place + 0.1 * action + 0.05 * self.np_random.normal(size=2)
        away = np.hypot(*self.place)
        return self._seen(), -away, bool(away < 0.3), False, {}


class Broken(Reach):
    def __init__(self):
        raise RuntimeError("no arm\\nis plugged in")


class Odd(Reach):
    def __init__(self, what):
        super().__init__()
        if what == "image":
            self.observation_space = Box(0, 1, (4, 4))
        if what == "words":
            self.observation_space = Dict(a=Box(0, 1, (2,)), b=Box(0, 1, (1,)))
        if what == "choices":
            self.action_space = Discrete(3)
        if what == "integers":
            self.action_space = Box(0, 5, (2,), np.int64)
        if what == "boundless":
            self.action_space = Box(-np.inf, 1, (2,))
        if what == "stuck":
            self.action_space = Box(np.array([0.0, 1.0], "f"), np.array([1.0, 1.0], "f"))


def flat():
    wrapped = gymnasium.wrappers.TransformObservation(
        gymnasium.make("Reach-v0"), lambda seen: seen[None], Box(-np.inf, np.inf, (1, 3), np.float64)
    )
    return gymnasium.wrappers.FlattenObservation(wrapped)


def register(identifier, entry, steps, **kwargs):
    gymnasium.register(identifier, entry, max_episode_steps=steps, kwargs=kwargs)


register("Reach-v0", Reach, 30, ref_min_score=-50.0, ref_max_score=-10)
register("own/Unit-v0", "reach_environments:Reach", 12, low=[-1.0, -1.0], high=[1.0, 1.0], dtype="float64")
register("Half-v0", Reach, 5, low=[0.0, 0.0], high=[1.0, 1.0])
register("Flat-v0", "reach_environments:flat", None)
register("Endless-v0", "reach_environments:Reach", None)
register("Broken-v0", Broken, 5)
register("Unscored-v0", Reach, 5, ref_min_score=1.0)
register("Upside-v0", Reach, 5, ref_min_score=1.0, ref_max_score=0.0)
register("Lambda-v0", lambda: Reach(), 5)
register("Array-v0", Reach, 5, low=np.zeros(2))
register("Absent-v0", "not_installed_here:Arm", 5)
for what in ("image", "words", "choices", "integers", "boundless", "stuck"):
    register(f"{what.title()}-v0", Odd, 5, what=what)
'''


@pytest.fixture(scope="module", autouse=True)
def reach(tmp_path_factory):
    """The module of somebody's own, importable but not yet imported."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "reach_environments.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield
    registered = [name for name, spec in gymnasium.registry.items() if "reach_environments" in str(spec.entry_point)]
    for name in [*registered, "Lambda-v0", "Absent-v0"]:
        gymnasium.registry.pop(name, None)
    sys.modules.pop("reach_environments", None)


def own(identifier):
    return environment(f"reach_environments:{identifier}")


# Facts


def test_an_environment_is_known_by_its_id():
    found = own("Reach-v0")
    assert (found.name, found.observation_size, found.action_size, found.horizon) == ("Reach-v0", 3, 2, 30)
    assert (found.minimum, found.maximum) == (-50.0, -10.0)
    assert (found.action_low, found.action_high) == ((-2.0, 0.25), (3.0, 0.5))
    assert normalised_score(found, -30.0) == 50.0
    assert '"reach_environments:Reach"' in found.specification
    assert found == environment("Reach-v0")  # once its module is imported
    assert hash(found) == hash(environment("Reach-v0"))


def test_gymnasiums_own_are_known_too():
    found = environment("Pendulum-v1")
    assert found[:8] == ("Pendulum-v1", "3-1", 3, 1, 200, True, None, None)
    assert found.is_own
    assert (found.action_low, found.action_high) == ((-2.0,), (2.0,))
    assert np.isnan(normalised_score(found, -100.0))


def test_bounds_of_one_are_no_bounds_and_wrappers_are_kept():
    unit, flat = own("own/Unit-v0"), own("Flat-v0")
    assert (own("Half-v0").action_low, own("Half-v0").action_high) == ((0.0, 0.0), (1.0, 1.0))
    assert (unit.name, unit.horizon, unit.action_low, unit.action_high) == ("own/Unit-v0", 12, None, None)
    assert (flat.observation_size, flat.horizon, flat.minimum) == (3, 30, None)


def test_a_specification_keeps_its_arguments():
    spec = gymnasium.make("reach_environments:Reach-v0", max_episode_steps=7, high=[4.0, 5.0]).spec
    found = environment(spec)
    assert (found.horizon, found.action_high, found.minimum) == (7, (4.0, 5.0), -50.0)


REFUSED = {
    "NoSuchThing-v3": "NoSuchThing.*pip install",
    "no_such_module:Arm-v0": "importing no_such_module failed.*PYTHONPATH",
    "reach_environments:Nothing-v0": "Nothing.*reach_environments:Nothing-v0",
    "not an id!": "Malformed",
    "Broken-v0": "RuntimeError: no arm is plugged in.*gymnasium.make",
    "Absent-v0": "not_installed_here.*pip install",
    "Endless-v0": "register it with max_episode_steps",
    "Image-v0": r"Box of float32 and shape \[4, 4\]: wrap it with FlattenObservation under an id of your own",
    "Words-v0": "not a Dict: wrap it with FlattenObservation",
    "Choices-v0": "actions .* not a Discrete",
    "Integers-v0": "actions .* not a Box of int64",
    "Boundless-v0": "finite bounds",
    "Stuck-v0": "finite bounds",
    "Unscored-v0": "ref_min_score and ref_max_score go together",
    "Upside-v0": "in order, not 1.0 and 0.0",
    "Lambda-v0": "entry_point='module:Class'",
    "Array-v0": "plain numbers",
}


@pytest.mark.parametrize(("identifier", "why"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(identifier, why):
    own("Reach-v0")  # imports the module
    with pytest.raises(ValueError, match=why) as error:
        environment(identifier)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(identifier)


# Episodes


def gymnasiums(identifier, seed, actions):
    """Observations, rewards and ends of plain Gymnasium, actions given in the environment's own bounds."""
    made = gymnasium.make(identifier)
    rows = [(made.reset(seed=seed)[0], 0.0, False)]
    for action in actions:
        if rows[-1][2]:
            break
        observation, reward, terminated, truncated, _ = made.step(action)
        rows.append((observation, reward, terminated or truncated))
    made.close()
    return rows


@pytest.mark.parametrize("identifier", ["Reach-v0", "own/Unit-v0", "Flat-v0", "Pendulum-v1"])
def test_episodes_are_gymnasiums_own(identifier):
    facts = own(identifier) if identifier != "Pendulum-v1" else environment(identifier)
    generator, seeds, steps = np.random.default_rng(0), [5, 2**32 - 1, 7], facts.horizon
    # quarters, so that the map from [-1, 1] is exact
    unit = generator.integers(-4, 5, (steps, 3, facts.action_size)) / np.float32(4)
    low, high = np.array(facts.action_low or -1.0), np.array(facts.action_high or 1.0)
    native = (low + (unit.astype(float) + 1) / 2 * (high - low)).astype(
        "float64" if "Unit" in identifier else "float32"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [gymnasiums(identifier, seed, native[:, episode]) for episode, seed in enumerate(seeds)]
    together = Episodes(facts, 3)
    observation = together.reset(seeds)
    assert observation.dtype == np.float64
    np.testing.assert_array_equal(observation, [rows[0][0] for rows in theirs])
    alive = np.arange(3)
    for step in range(steps):
        observation, reward, ended = together.step(unit[step, alive], alive)
        expected = [theirs[episode][step + 1] for episode in alive]
        np.testing.assert_array_equal(observation, [row[0] for row in expected])
        np.testing.assert_array_equal(reward, [row[1] for row in expected])
        np.testing.assert_array_equal(ended, [row[2] for row in expected])
        alive = alive[~ended]
    assert len(alive) == 0
    together.close()


def heard(together):
    return together._copies[0].unwrapped.heard[-1]


def test_actions_are_rescaled_exactly_at_the_bounds_and_clipped_to_them():
    together = Episodes(own("Reach-v0"), 1)
    together.reset([0])
    for action, expected in [
        ([1.0, -1.0], [3.0, 0.25]),
        ([-1.0, 1.0], [-2.0, 0.5]),
        ([0.0, 0.0], [0.5, 0.375]),
        ([7.0, -1.0000001], [3.0, 0.25]),
    ]:
        together.step(np.array([action], np.float32), np.array([0]))
        assert heard(together).dtype == np.float32
        assert heard(together).tolist() == expected
    small = np.array([[1e-9, -1e-30]], np.float32)
    unit = Episodes(own("own/Unit-v0"), 1)
    unit.reset([0])
    unit.step(small, np.array([0]))
    assert heard(unit).dtype == np.float64
    np.testing.assert_array_equal(heard(unit), small[0])
    unit.step(np.array([[1.5, -2.0]]), np.array([0]))
    assert heard(unit).tolist() == [1.0, -1.0]


def test_wrong_shapes_and_counts_are_refused():
    together = Episodes(own("Reach-v0"), 2)
    assert together.action_size == 2
    with pytest.raises(ValueError, match=r"zip\(\)"):
        together.reset([1])
    together.reset([1, 2])
    with pytest.raises(ValueError, match=r"shape \(1, 3\), expected \(1, 2\)"):
        together.step(np.zeros((1, 3)), np.array([0]))


# Stage


def gain(run):
    """An act of run `run` alone: linear in what it sees, with as many actions as any environment has."""
    weights = np.random.default_rng(run).normal(0, 0.3, (17, 6)).astype(np.float32)
    return lambda observation: np.tanh(observation @ weights)


def test_a_mix_of_environments_plays_each_as_if_it_were_alone():
    cheetah = ENVIRONMENTS["halfcheetah"]._replace(horizon=40)  # it never falls
    mixed = [ENVIRONMENTS["hopper"], own("Reach-v0"), environment("Pendulum-v1"), own("Reach-v0"), own("own/Unit-v0")]
    mixed.append(cheetah)
    acts = [gain(run) for run in range(6)]
    seeds = [[10 * run + episode for episode in range(3)] for run in range(6)]

    def played(runs, horizon, active=None):
        def act(observation, step):
            return np.stack([acts[run](seen) for run, seen in zip(runs, observation, strict=True)])

        stage = Stage([mixed[run] for run in runs], 3, horizon, "d4rl")
        active = np.ones(len(runs), bool) if active is None else active
        found = stage.play(act, [seeds[run] for run in runs], active, 17)
        stage.close()
        return found

    together = played(range(6), None)
    for run in range(6):
        alone = played([run], None)
        np.testing.assert_array_equal(together.episode_return[run], alone.episode_return[0])
        np.testing.assert_array_equal(together.episode_length[run], alone.episode_length[0])
    lengths = together.episode_length
    assert (lengths[2] == 200).all()
    assert (lengths[5] == 40).all()
    assert lengths[4].max() == 12
    assert lengths[[1, 3]].max() <= 30
    others = [0, 1, 2, 4, 5]
    short = played(range(6), 20, np.isin(np.arange(6), others))
    np.testing.assert_array_equal(short.episode_length[others], np.minimum(lengths, 20)[others])
    assert np.isnan(short.episode_return[3]).all()


# Names


@pytest.fixture
def data_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "my@data"
    folder.mkdir()
    (folder / "reach.mine.hdf5").touch()
    return folder / "reach.mine.hdf5"


def test_a_file_is_named_with_its_environment(data_file):
    found = find(f"{data_file}@reach_environments:Reach-v0")
    assert (found.name, found.version, found.path) == ("reach.mine@Reach-v0", "own", data_file)
    assert found.environment == own("Reach-v0")
    assert not found.is_recipe
    assert not found.is_published
    assert find("~/my@data/reach.mine.hdf5@own/Unit-v0").name == "reach.mine@own/Unit-v0"
    assert find(f"{data_file}@hopper").environment is ENVIRONMENTS["hopper"]
    assert find("hopper-medium-v2") == parse("hopper-medium-v2")


@pytest.mark.parametrize(
    ("name", "error", "why"),
    [
        ("my/reach.hdf5", ValueError, "which environment.*PATH.hdf5@ENVIRONMENT"),
        ("@Reach-v0", ValueError, "PATH.hdf5@ENVIRONMENT"),
        ("my/reach.hdf5@", ValueError, "PATH.hdf5@ENVIRONMENT"),
        ("~/nowhere.hdf5@Reach-v0", FileNotFoundError, "no file /.*/nowhere.hdf5"),
        ("hopper-medium-v9", ValueError, "unknown data set"),
        ("a,b.hdf5@Reach-v0", ValueError, "comma"),
        ("minari:", ValueError, "minari:mujoco/hopper/medium-v0"),
        ("minari:/home/me/mine", ValueError, "minari:mujoco/hopper/medium-v0"),
        ("minari:../mine-v0", ValueError, "minari:mujoco/hopper/medium-v0"),
    ],
)
def test_names_that_name_nothing_are_refused_in_one_line(name, error, why):
    with pytest.raises(error, match=why) as raised:
        find(name)
    assert "\n" not in str(raised.value)


def test_an_environment_that_cannot_be_made_refuses_the_name(data_file):
    with pytest.raises(ValueError, match="Nothing"):
        find(f"{data_file}@Nothing-v0")


@given(st.text(max_size=30))
def test_any_other_text_is_refused_with_one_error(text):
    with pytest.raises((ValueError, FileNotFoundError)):
        find(f"no {text}")


# Minari


def rollouts(identifier, episodes, limit, seed=0, amplitude=1.0):
    """Real episodes with random actions: each (observations [T + 1], actions, rewards, terminations, truncations)."""
    made = gymnasium.make(identifier, max_episode_steps=limit)
    generator, found = np.random.default_rng(seed), []
    for episode in range(episodes):
        seen, rows, over = [made.reset(seed=seed + episode)[0]], [], False
        while not over:
            action = generator.uniform(-1, 1, made.action_space.shape) * made.action_space.high * amplitude
            observation, reward, terminated, truncated, _ = made.step(action.astype(np.float32))
            seen.append(observation)
            rows.append((action.astype(np.float32), reward, terminated, truncated))
            over = terminated or truncated
        found.append([np.array(seen), *map(np.array, zip(*rows, strict=True))])
    made.close()
    return found


def as_hdf5(path, episodes):
    """D4RL's file of the episodes; a cut that has no flag is written as the timeout that it is."""
    columns = [np.concatenate(column) for column in zip(*[(e[0][:-1], *e[1:]) for e in episodes], strict=True)]
    for end, episode in zip(np.cumsum([len(e[2]) for e in episodes]), episodes, strict=True):
        columns[4][end - 1] |= not episode[3][-1]
    keys = ("observations", "actions", "rewards", "terminals", "timeouts")
    d4rl_files.write(path, dict(zip(keys, columns, strict=True)), {})
    return path


@pytest.fixture
def minari(tmp_path, monkeypatch):
    """Minari's package, its data sets in a folder of the test's own; `keep(id, episodes, environment)` makes one."""
    import minari
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))

    def keep(identifier, episodes, made, **facts):
        keys = ("observations", "actions", "rewards", "terminations", "truncations")
        buffers = [EpisodeBuffer(**dict(zip(keys, episode, strict=True))) for episode in episodes]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for authors
            return minari.create_dataset_from_buffers(identifier, buffers, env=made, **facts)

    minari.keep = keep
    yield minari
    del minari.keep


def same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("identifier", ["Hopper-v5", "Pendulum-v1"])
def test_minari_and_d4rl_files_of_the_same_episodes_give_the_same_transitions(identifier, minari, tmp_path):
    # Hopper: 25 steps cut some episodes and spare others; Pendulum's are all cut, and its bounds are ±2
    episodes = rollouts(identifier, 12, 25)
    if identifier == "Hopper-v5":
        assert sum(bool(e[3][-1]) for e in episodes) > 2
        assert sum(bool(e[4][-1]) for e in episodes) > 2
    episodes[3][3][-1] = episodes[3][4][-1] = True
    for unfinished in (episodes[5], episodes[-1]):
        unfinished[3][-1] = unfinished[4][-1] = False
    name = "minari:arms/test/random-v0"
    minari.keep(name.removeprefix("minari:"), episodes, identifier)
    path = as_hdf5(tmp_path / "rows.hdf5", episodes)
    theirs, ours = find(name), find(f"{path}@{identifier}")
    assert theirs.environment == ours.environment
    assert (theirs.name, theirs.version, theirs.source) == (name, "minari", "arms/test/random-v0")
    one, other = load(theirs, []), load(ours, [path])
    same(one.transitions[:5], other.transitions[:5])
    assert one.transitions.next_action is other.transitions.next_action is None
    assert one.description[:3] == other.description[:3]
    same([one.description.returns], [other.description.returns])
    assert len(one.transitions.reward) == one.description.rows - one.description.timeouts
    assert count_rows(theirs, []) == count_rows(ours, [path]) == one.description.rows
    same([describe_files(theirs, []).returns], [one.description.returns])
    assert np.abs(one.transitions.action).max() <= 1.0


def test_what_minaris_collector_records_is_what_happened(minari):
    made = minari.DataCollector(gymnasium.make("InvertedPendulum-v5", max_episode_steps=8, reset_noise_scale=0.05))
    made.action_space.seed(0)
    rows = []
    for episode in range(6):
        observation, over = made.reset(seed=episode)[0], False
        first = len(rows)
        while not over and not (episode == 3 and len(rows) == first + 2):  # the next reset leaves it unfinished
            action = made.action_space.sample()
            following, reward, terminated, truncated, _ = made.step(action)
            rows.append((observation, action / 3, reward, following, 1.0 - terminated, truncated))
            observation, over = following, terminated or truncated
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.create_dataset("pole-v3")
    made.close()
    found = find("minari:pole-v3")
    assert (found.environment.name, found.environment.horizon) == ("InvertedPendulum-v5", 8)
    assert '"reset_noise_scale": 0.05' in found.environment.specification
    loaded = load(found, []).transitions
    ends = np.cumsum([len(episode) for episode in minari.load_dataset("pole-v3")]) - 1
    assert any(row[5] for row in rows)
    assert any(not row[4] for row in rows)
    kept = [i for i, row in enumerate(rows) if not row[5] and not (i in ends and row[4]) and i < len(rows) - 1]
    for place, row in zip(range(len(loaded.reward)), (rows[i] for i in kept), strict=True):
        np.testing.assert_array_equal(loaded.observation[place], row[0].astype(np.float32))
        np.testing.assert_allclose(loaded.action[place], row[1], atol=1e-7)
        assert loaded.bootstrap[place] == row[4]
        if row[4]:  # the terminal rows' next observations are masked
            np.testing.assert_array_equal(loaded.next_observation[place], row[3].astype(np.float32))


def test_the_environment_for_evaluation_and_the_references_are_minaris(minari):
    episodes = rollouts("Pendulum-v1", 2, 5)
    spec = gymnasium.make("Pendulum-v1", g=3.0, max_episode_steps=50).spec
    kept = minari.keep("swing-v0", episodes, "Pendulum-v1", eval_env=spec, ref_min_score=-1500.0, ref_max_score=-100.0)
    found = find("minari:swing-v0")
    assert found.environment.horizon == 50
    assert '"g": 3.0' in found.environment.specification
    assert (found.environment.minimum, found.environment.maximum) == (-1500.0, -100.0)
    expected = 100 * minari.get_normalized_score(kept, np.array([-800.0]))
    np.testing.assert_array_equal(normalised_score(found.environment, np.array([-800.0])), expected)
    # what Gymnasium removed since is left out
    metadata = kept.storage.data_path / "metadata.json"
    metadata.write_text(metadata.read_text().replace('\\"order_enforce\\": true,', '\\"autoreset\\": false, '))
    assert "autoreset" in metadata.read_text()
    assert "autoreset" not in minari_files.specifications("swing-v0")[0]
    assert find("minari:swing-v0") == found


def test_the_fingerprint_is_that_of_the_steps_file(minari):
    kept = minari.keep("swing-v0", rollouts("Pendulum-v1", 2, 5), "Pendulum-v1")
    files = minari_files.data_files("swing-v0")
    assert [path.name for path in files] == ["main_data.hdf5"]
    before = fingerprint(files)
    kept.storage.update_metadata({"description": "another"})
    assert fingerprint(minari_files.data_files("swing-v0")) == before
    kept.update_dataset_from_buffer([])
    minari.keep("swing-v1", rollouts("Pendulum-v1", 2, 5, seed=1), "Pendulum-v1")
    assert fingerprint(minari_files.data_files("swing-v1")) != before


def spoil(change):
    episodes = rollouts("Pendulum-v1", 3, 6)
    change(episodes[1])
    return episodes


def set_to(column, where, value):
    return lambda episode: episode[column].__setitem__(where, value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_to(0, (4, 1), np.nan), "observations: row 4 is not finite"),
        (set_to(2, 3, np.inf), "rewards: row 3 is not finite"),
        (set_to(1, (2, 0), 2.5), r"actions: row 2 is outside \[\[-2.0\], \[2.0\]\]"),
        (lambda e: e.__setitem__(0, e[0][:-1]), "observations: there are 6 of 6 steps"),
        (lambda e: e.__setitem__(0, e[0][:, :2]), r"observations: shape \[6, 2\].*another task"),
        (lambda e: e.__setitem__(1, e[1][:-1]), "actions: ends at row 5"),
        (lambda e: e.__setitem__(3, e[3] + 2), "terminals: row 0 is neither 0 nor 1"),
    ],
)
def test_steps_that_cannot_be_trained_on_are_refused(change, why, minari):
    minari.keep("bad-v0", spoil(change), "Pendulum-v1")
    with pytest.raises(BadDatasetError, match=f"^minari:bad-v0: episode 1: {why}") as error:
        load(find("minari:bad-v0"), [])
    assert "\n" not in str(error.value)


def test_minari_data_that_are_not_whole_are_refused(minari):
    kept = minari.keep("bad-v0", rollouts("Pendulum-v1", 3, 6), "Pendulum-v1")
    found, metadata = find("minari:bad-v0"), kept.storage.data_path / "metadata.json"
    text = metadata.read_text()
    for steps, episodes in ((18, 2), (17, 3)):
        changed = text.replace('"total_steps": 18', f'"total_steps": {steps}')
        metadata.write_text(changed.replace('"total_episodes": 3', f'"total_episodes": {episodes}'))
        with pytest.raises(BadDatasetError, match=r"minari:bad-v0: its episodes have (12|more) steps.*json 1[78]"):
            load(found, [])
    metadata.write_text(text)
    (data,) = minari_files.data_files("bad-v0")
    data.write_bytes(data.read_bytes()[:3000])
    with pytest.raises(BadDatasetError, match=r"minari:bad-v0: main_data\.hdf5: not a whole HDF5 file"):
        load(found, [])
    data.unlink()
    for broken in (text[:40], text.replace('"minari_version": "0.', '"minari_version": "9.')):
        metadata.write_text(broken)
        with pytest.raises(BadDatasetError, match="minari:bad-v0 cannot be opened"):
            find("minari:bad-v0")


def test_minari_data_that_cannot_be_used_say_why(minari, monkeypatch):
    box = gymnasium.spaces.Box(-1, 1, (3,))
    episodes = rollouts("Pendulum-v1", 1, 6)
    minari.keep("nowhere-v0", episodes, None, observation_space=box, action_space=box)
    words = [[{"a": episode[0]}, *episode[1:]] for episode in episodes]
    space = gymnasium.spaces.Dict(a=box)
    minari.keep("words-v0", words, None, observation_space=space, action_space=box, eval_env="Pendulum-v1")
    with pytest.raises(BadDatasetError, match=r"^minari:words-v0: episode 0: observations: not an array .* but dict"):
        load(find("minari:words-v0"), [])
    minari.keep("endless-v0", episodes, gymnasium.make("reach_environments:Endless-v0").spec)
    for name, error, why in [
        ("minari:mujoco/hopper/medium-v0", FileNotFoundError, "minari download mujoco/hopper/medium-v0"),
        ("minari:nowhere-v0", ValueError, "minari:nowhere-v0 does not say which environment.*nowhere-v0@GYMNASIUM_ID"),
        ("minari:endless-v0", ValueError, "minari:endless-v0: Endless-v0: .*max_episode_steps"),
    ]:
        with pytest.raises(error, match=why) as raised:
            find(name)
        assert "\n" not in str(raised.value)
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(ValueError, match=r"pip install 'plas_jax\[minari\]'"):
        find("minari:endless-v0")
