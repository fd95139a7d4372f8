"""`validate`: sound files have nothing wrong, and each fault planted in one is found by the check that is for it."""

import hashlib
import io

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from plas_jax.commands.datasets_validate import report
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import ENVIRONMENTS, Dataset, parse
from plas_jax.datasets.recordings import Recording
from plas_jax.recipes import collect, manifests
from plas_jax.verification.data import alignment, duplicates, episode_checks, score_checks, validation
from plas_jax.verification.data import findings as checks
from plas_jax.verification.data.findings import findings

ROWS = 3000
HOPPER, WALKER, CHEETAH = "hopper-medium-r1", "walker2d-random-r1", "halfcheetah-random-r1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Small recipes by name: each file with what it holds."""
    folder = tmp_path_factory.mktemp("recipes")
    paths = {name: collect.make(name, ROWS, 0, folder) for name in (HOPPER, WALKER, CHEETAH)}
    return {name: (path, contents(path)) for name, path in paths.items()}


def contents(path):
    with h5py.File(path) as file:
        keys = [key for key in file if key not in ("infos", "metadata")] + [f"infos/{key}" for key in file["infos"]]
        return {key: file[key][()] for key in keys}


def planted(folder, columns, fault):
    """A copy of the columns with a fault, in a file."""
    columns = {key: values.copy() for key, values in columns.items()}
    columns = fault(columns) or columns
    d4rl_files.write(folder / "planted.hdf5", columns, {})
    return folder / "planted.hdf5"


def statuses(found):
    return {one.check: one.status for one in found}


def printed(dataset, paths, manifest_sha256=None, width=100):
    console = Console(file=io.StringIO(), width=width)
    status = report(dataset, paths, manifest_sha256, console)
    return status, console.file.getvalue()


# Sound files


@pytest.mark.parametrize("name", [HOPPER, WALKER, CHEETAH])
def test_every_check_of_a_recipe_is_ok(made, name):
    path, _ = made[name]
    found = findings(parse(name), path, manifests.read(path)["sha256"])
    assert set(statuses(found).values()) <= {"ok", "skipped"}, found
    # three whole episodes of hopper and halfcheetah are enough for a mean, everything else can be told for certain
    assert [one.check for one in found if one.status == "skipped"] == []
    assert len({one.check for one in found}) == len(found) == 16
    assert all("\n" not in one.detail for one in found)


@pytest.mark.parametrize("name", [HOPPER, WALKER, CHEETAH])
@pytest.mark.parametrize("kind", [np.float32, lambda values: values.astype(np.float32).astype(np.float64)])
def test_states_of_single_precision_are_allowed_their_rounding(made, tmp_path, name, kind):
    def rounded(columns):
        return columns | {key: kind(columns[key]) for key in ("infos/qpos", "infos/qvel")}

    found = statuses(findings(parse(name), planted(tmp_path, made[name][1], rounded)))
    assert (found["stored states"], found["rewards"], found["single steps"]) == ("ok", "ok", "ok")


@pytest.mark.parametrize("name", [HOPPER, WALKER, CHEETAH])
def test_a_file_of_the_required_keys_alone_is_read_and_told_what_is_skipped(made, tmp_path, name):
    def bare(columns):
        return {key: columns[key] for key in ("observations", "actions", "rewards", "terminals")}

    found = findings(parse(name), planted(tmp_path, made[name][1], bare))
    skipped = {one.check: one.detail for one in found if one.status == "skipped"}
    assert "wrong" not in statuses(found).values()
    lacking = ["contents", "time limits", "next observations", "stored states", "rewards", "single steps"]
    assert list(skipped) == lacking
    assert skipped["stored states"] == skipped["single steps"] == "the file has no infos/qpos and no infos/qvel"


def test_an_environment_of_ones_own_is_not_simulated(made, tmp_path):
    environment = ENVIRONMENTS["hopper"]._replace(name="Mine-v0", minimum=None, maximum=None)
    found = findings(Dataset("mine", environment), made[HOPPER][0])
    skipped = [one.check for one in found if one.status == "skipped"]
    assert skipped == ["contents", "score", "level", "stored states", "rewards", "single steps"]
    assert "wrong" not in statuses(found).values()


def test_states_recorded_with_the_other_dynamics_are_told_apart(made):
    found = findings(parse(HOPPER), made[HOPPER][0], dynamics="gymnasium")
    assert (found[-1].check, found[-1].status) == ("single steps", "warning")
    assert found[-1].detail.startswith("recorded with d4rl's dynamics, not gymnasium's: ")


def test_of_states_of_single_precision_a_few_steps_may_go_another_way(made):
    """One sampled row is chance, a dozen are doubtful, a hundred are wrong; of double precision none may."""
    path, columns = made[CHEETAH]
    recording = d4rl_files.read(path, ENVIRONMENTS["halfcheetah"])
    found = episode_checks.episodes(recording, 1000)
    rows = alignment._spread(np.arange(ROWS), 1500)
    for count, status in ((1, "ok"), (2, "warning"), (15, "warning"), (16, "wrong")):
        off = recording._replace(rewards=recording.rewards.copy())
        off.rewards[rows[5 : 5 + count]] += 1
        states = {key: columns[key].astype(np.float32) for key in ("infos/qpos", "infos/qvel")}
        assert alignment.single_steps("halfcheetah", off, states, found).status == status
    off.rewards[:] = recording.rewards
    off.rewards[rows[5]] += 1
    assert alignment.single_steps("halfcheetah", off, columns, found).status == "wrong"


def stepped(name, recording, columns):
    found = episode_checks.episodes(recording, 1000)
    return alignment.single_steps(ENVIRONMENTS[name].name, recording, columns, found)


def test_the_state_after_a_step_is_compared_and_not_its_reward_alone(made):
    path, columns = made[WALKER]
    recording = d4rl_files.read(path, ENVIRONMENTS["walker2d"])
    recording.observations[:, 3] += 1e-4
    assert stepped("walker2d", recording, columns).status == "wrong"


def test_a_fall_on_a_time_limit_is_no_terminal(made):
    path, columns = made[WALKER]
    recording = d4rl_files.read(path, ENVIRONMENTS["walker2d"])
    cut = recording._replace(terminals=np.zeros(ROWS, bool), timeouts=recording.terminals)
    assert stepped("walker2d", cut, columns).status == "ok"
    assert stepped("walker2d", cut._replace(timeouts=None), columns).status == "wrong"


# One fault at a time


def first_end(columns):
    return int((columns["terminals"] | columns["timeouts"]).argmax())


def shifted(key):
    return lambda columns: columns | {key: np.roll(columns[key], 1, axis=0)}


def scaled(key, by):
    return lambda columns: columns | {key: columns[key] * np.asarray(by, columns[key].dtype)}


def put(key, where, value):
    def fault(columns):
        columns[key][where] = value

    return fault


def added(key, where, value):
    def fault(columns):
        columns[key][where] += value

    return fault


def limits_as_terminals(columns):
    return columns | {"terminals": columns["timeouts"], "timeouts": columns["terminals"]}


def first_end_is(key, value):
    def fault(columns):
        columns[key][first_end(columns)] = value

    return fault


def first_episode_again(columns):
    stop = first_end(columns) + 1
    return {key: np.concatenate([values[:stop], values]) for key, values in columns.items()}


def one_row_again(columns):
    for key in ("observations", "actions"):
        columns[key][700] = columns[key][50]


def without(*keys):
    return lambda columns: {key: values for key, values in columns.items() if key not in keys}


def shortened(key):
    return lambda columns: columns | {key: columns[key][:-1]}


FAULTS = {
    "rewards a row late": (HOPPER, shifted("rewards"), "rewards", "wrong"),
    "rewards a row late, as seen by steps": (CHEETAH, shifted("rewards"), "single steps", "wrong"),
    "one reward": (WALKER, added("rewards", 4, 1e-4), "rewards", "wrong"),
    "observations a row late": (HOPPER, shifted("observations"), "stored states", "wrong"),
    "observations a row late, as seen by the next": (HOPPER, shifted("observations"), "next observations", "wrong"),
    "one next observation": (CHEETAH, added("next_observations", (5, 3), 1e-3), "next observations", "wrong"),
    "a next observation not finite": (WALKER, put("next_observations", (5, 3), np.nan), "next observations", "wrong"),
    "next observations too few": (WALKER, shortened("next_observations"), "next observations", "wrong"),
    "limits as terminals": (CHEETAH, limits_as_terminals, "terminals", "wrong"),
    "limits as terminals, as seen by steps": (CHEETAH, limits_as_terminals, "single steps", "wrong"),
    "a long episode": (CHEETAH, first_end_is("timeouts", False), "episodes", "wrong"),
    "a terminal of halfcheetah": (CHEETAH, put("terminals", 500, True), "terminals", "wrong"),
    "a terminal that was no fall": (HOPPER, put("terminals", 100, True), "single steps", "wrong"),
    "a fall that is no terminal": (WALKER, first_end_is("terminals", False), "next observations", "wrong"),
    "a timeout too early": (HOPPER, put("timeouts", 100, True), "time limits", "warning"),
    "both flags": (HOPPER, first_end_is("timeouts", True), "both flags", "warning"),
    "an episode twice": (HOPPER, first_episode_again, "repeated episodes", "warning"),
    "a row twice": (CHEETAH, one_row_again, "repeated rows", "warning"),
    "another task's rewards": (HOPPER, scaled("rewards", 10), "score", "wrong"),
    "rewards far below random": (CHEETAH, scaled("rewards", 20), "score", "wrong"),
    "another level": (HOPPER, scaled("rewards", 0.1), "level", "warning"),
    "actions scaled": (HOPPER, scaled("actions", 0.5), "single steps", "wrong"),
    "actions a hundredth smaller": (CHEETAH, scaled("actions", 0.99), "single steps", "wrong"),
    "actions all the same": (CHEETAH, scaled("actions", 0.0), "actions", "warning"),
    "a column that never changes": (WALKER, scaled("observations", [1] * 16 + [0]), "observations", "warning"),
    "qpos perturbed": (WALKER, added("infos/qpos", ..., 1e-3), "stored states", "wrong"),
    "one qpos perturbed": (WALKER, added("infos/qpos", (8, 1), 1e-6), "stored states", "wrong"),
    "one qvel perturbed": (HOPPER, added("infos/qvel", (8, 5), 1e-3), "stored states", "wrong"),
    "one x perturbed": (CHEETAH, added("infos/qpos", (8, 0), 1e-3), "rewards", "wrong"),
    "qpos of another robot": (HOPPER, lambda c: c | {"infos/qpos": c["infos/qpos"][:, 1:]}, "stored states", "wrong"),
    "qvel not finite": (HOPPER, put("infos/qvel", 3, np.inf), "stored states", "wrong"),
    "a missing key": (HOPPER, without("rewards"), "readable", "wrong"),
    "a column too short": (HOPPER, shortened("terminals"), "readable", "wrong"),
    "words for numbers": (HOPPER, lambda c: c | {"infos/qpos": np.full(ROWS, b"x")}, "readable", "wrong"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_by_its_check(made, tmp_path, monkeypatch, fault):
    monkeypatch.setattr(alignment, "SAMPLED", (300, 100))  # for the time it takes
    name, plant, check, status = FAULTS[fault]
    found = findings(parse(name), planted(tmp_path, made[name][1], plant))
    assert [one.status for one in found if one.check == check and one.status != "ok"] == [status], found


def test_the_first_bad_row_is_named(made, tmp_path):
    path = planted(tmp_path, made[CHEETAH][1], added("next_observations", (5, 3), 1e-3))
    detail = next(one.detail for one in findings(parse(CHEETAH), path) if one.check == "next observations")
    assert detail == "1 rows are not the row after, by up to 0.001, first 5"


@pytest.mark.parametrize("block", [1, 7, 700])
def test_rows_are_looked_at_in_blocks_with_none_left_out(made, monkeypatch, block):
    monkeypatch.setattr(validation, "BLOCK", block)
    columns = made[WALKER][1]
    recording = Recording(*(columns[key][:1500] for key in Recording._fields))
    found = episode_checks.episodes(recording, 1000)
    for row in (*range(698, 703), 1498):
        extras = {"next_observations": columns["next_observations"][:1500].copy()}
        extras["next_observations"][row] += 1
        assert validation.following(recording, extras, found.ends).status == ("ok" if found.ends[row] else "wrong")


# The file's bytes


def test_a_published_file_is_compared_with_its_size_and_hash(made, tmp_path):
    data = bytearray(made[HOPPER][0].read_bytes())
    path = tmp_path / "hopper_medium-v2.hdf5"
    digest = hashlib.sha256(data).hexdigest()
    published = parse("hopper-medium-v2")._replace(bytes=len(data), sha256=digest)
    path.write_bytes(data)
    assert validation.contents(path, published).status == "ok"
    assert validation.contents(path, parse(HOPPER)).status == "skipped"
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    flipped = validation.contents(path, published)
    assert (flipped.status, flipped.detail.split()[0]) == ("wrong", "sha256")
    assert validation.contents(path, parse(HOPPER), digest).status == "wrong"
    path.write_bytes(data + b"\0")
    assert validation.contents(path, published) == validation.Finding(
        "contents", "wrong", f"{len(data) + 1:,} bytes, the published file has {len(data):,}"
    )


# The screen


def test_a_screen_holds_every_finding_and_ends_in_a_verdict(made):
    path, _ = made[HOPPER]
    status, text = printed(parse(HOPPER), [path], manifests.read(path)["sha256"])
    lines = text.splitlines()
    assert status == 0
    assert len(lines) <= 25
    assert lines[-1] == "hopper-medium-r1: nothing is wrong; 16 ok"
    assert "\x1b" not in text


@pytest.mark.parametrize(("size", "why"), [(5000, "not a whole HDF5 file"), (0, "not a whole HDF5 file")])
def test_a_truncated_file_is_a_finding_and_no_traceback(made, tmp_path, size, why):
    path = tmp_path / "cut.hdf5"
    path.write_bytes(made[HOPPER][0].read_bytes()[:size])
    status, text = printed(parse(HOPPER), [path], width=240)
    assert status == 1
    assert why in text
    assert text.splitlines()[-1] == "hopper-medium-r1: WRONG (readable); 1 wrong, 1 skipped"


def test_a_file_that_is_not_there_is_a_finding(tmp_path):
    status, text = printed(parse("hopper-medium-v2"), [tmp_path / "none.hdf5"])
    assert status == 1
    assert "No such file" in text


def test_of_a_mixture_each_file_is_checked_as_its_own_part(made, tmp_path):
    mixture = parse("hopper-medium-expert-v2")._replace(source=f"{HOPPER} + {WALKER}")
    sound = [made[HOPPER][0], made[WALKER][0]]
    status, text = printed(mixture, sound)
    assert status == 0
    assert len(text.splitlines()) <= 25
    assert text.count("1 skipped, 14 ok") == 2  # all but the score, which is told of each
    bad = planted(tmp_path, made[WALKER][1], added("rewards", 4, 1e-2))
    status, text = printed(mixture, [sound[0], bad])
    assert status == 1
    assert text.splitlines()[-1] == "hopper-medium-expert-v2: WRONG (rewards, single steps); 28 ok, 2 wrong, 2 skipped"


def test_minari_s_data_are_read_where_its_package_keeps_them(made, monkeypatch):
    recording = d4rl_files.read(made[HOPPER][0], ENVIRONMENTS["hopper"])
    monkeypatch.setattr(checks.minari_files, "read", lambda identifier, environment: recording)
    dataset = Dataset("minari:some/set-v0", ENVIRONMENTS["hopper"], version="minari", source="some/set-v0")
    status, text = printed(dataset, [])
    assert status == 0
    assert text.startswith("minari:some/set-v0\n")
    assert "no next_observations" in text
    assert text.splitlines()[-1] == "minari:some/set-v0: nothing is wrong; 10 ok, 6 skipped"


def test_a_table_in_a_file_is_wide_and_plain(made, capsys):
    assert report(parse(HOPPER), [made[HOPPER][0]]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert text.splitlines()[-1] == "hopper-medium-r1: nothing is wrong; 15 ok, 1 skipped"


# Scores


@pytest.mark.parametrize(("mean", "status"), [(1422, "ok"), (1640, "warning"), (1630, "ok"), (1200, "warning")])
def test_a_level_is_a_band_around_d4rl_s_mean(mean, status):
    assert score_checks.level(np.full(5, float(mean)), parse(HOPPER)).status == status


@pytest.mark.parametrize(("mean", "status"), [(1.75, "ok"), (24.5, "ok"), (25, "warning"), (92, "warning")])
def test_the_random_level_is_half_a_point_wide(mean, status):
    assert score_checks.level(np.full(5, mean), parse(WALKER)).status == status


def test_few_episodes_are_allowed_their_chance():
    assert score_checks.level(np.array([1000.0, 2300.0]), parse(HOPPER)).status == "ok"
    assert score_checks.level(np.array([1400.0]), parse(HOPPER)).status == "skipped"
    assert score_checks.level(np.full(5, 1.0), parse("hopper-medium-v0")).status == "skipped"


@pytest.mark.parametrize(("score", "status"), [(-21, "wrong"), (-19, "ok"), (129, "ok"), (131, "wrong")])
def test_a_score_that_no_data_of_the_task_could_have_is_wrong(score, status):
    environment = ENVIRONMENTS["hopper"]
    returns = np.full(3, environment.minimum + score / 100 * (environment.maximum - environment.minimum))
    assert score_checks.score(returns, environment).status == status


# Every structure of episodes

HORIZON = 4
PLACES = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["terminal", "timeout", "both"])), min_size=1, max_size=12
)


def recorded(episodes, tail, timed, numbers):
    """A recording of these episodes, then `tail` rows without an end, of few different observations."""
    rows = sum(length for length, _ in episodes) + tail
    flags = {"terminal": np.zeros(rows, bool), "timeout": np.zeros(rows, bool)}
    row = -1
    for length, kind in episodes:
        row += length
        for flag in ("terminal", "timeout"):
            flags[flag][row] = kind in (flag, "both")
    observations = np.array([numbers[i % len(numbers)] for i in range(rows)], np.float32)[:, None]
    zeros = np.zeros(rows, np.float32)
    return Recording(observations, zeros[:, None], zeros, flags["terminal"], flags["timeout"] if timed else None)


def walked(recording):
    """The episodes by a loop over the rows: first and last row of each, and whether the last one has an end."""
    found, first, ended = [], 0, False
    for row in range(len(recording.rewards)):
        limit = row - first == HORIZON - 1 if recording.timeouts is None else recording.timeouts[row]
        ended = bool(recording.terminals[row] or limit)
        if ended:
            found.append((first, row))
            first = row + 1
    return (found, True) if ended else ([*found, (first, len(recording.rewards) - 1)], False)


def count(finding):
    """The number that a detail begins with."""
    return int(finding.detail.split()[0].rstrip(",").replace(",", ""))


@given(PLACES, st.integers(0, 6), st.booleans(), st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_the_checks_of_episodes_are_a_loop_over_the_rows(episodes, tail, timed, numbers):
    recording = recorded(episodes, tail, timed, numbers)
    found = episode_checks.episodes(recording, HORIZON)
    places, finished = walked(recording)
    assert [(int(a), int(a + n - 1)) for a, n in zip(found.starts, found.lengths, strict=True)] == places
    assert (np.flatnonzero(found.ends).tolist(), found.finished) == ([last for _, last in places], finished)

    long = [last - first + 1 for first, last in places if last - first + 1 > HORIZON]
    lengths = episode_checks.lengths(found, HORIZON)
    assert (lengths.status, count(lengths)) == (("wrong", len(long)) if long else ("ok", len(places)))
    assert lengths.status == "wrong" or ("cut" in lengths.detail) == (not finished)

    whole = [last for first, last in places if last - first + 1 == HORIZON]
    fallen = [row for row in whole if recording.terminals[row] and not (timed and recording.timeouts[row])]
    terminals = episode_checks.terminals(recording, found, ENVIRONMENTS["hopper"], HORIZON)
    assert terminals.status == ("ok" if not fallen else "warning" if len(fallen) == 1 else "wrong")
    cheetah = episode_checks.terminals(recording, found, ENVIRONMENTS["halfcheetah"], HORIZON)
    assert cheetah.status == ("wrong" if any(recording.terminals) else "ok")

    limits, both = episode_checks.time_limits(recording, found, HORIZON), episode_checks.both_flags(recording)
    if not timed:
        assert (limits.status, both.status) == ("skipped", "ok")
        return
    early = [last for first, last in places if recording.timeouts[last] and last - first + 1 < HORIZON]
    assert (limits.status, count(limits)) == (
        ("warning", len(early)) if early else ("ok", sum(map(int, recording.timeouts)))
    )
    twice = sum(1 for row in range(len(recording.rewards)) if recording.terminals[row] and recording.timeouts[row])
    assert both.status == ("warning" if twice else "ok")
    assert not twice or count(both) == twice


@given(PLACES, st.integers(0, 6), st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_repetitions_are_those_of_a_loop_with_a_set(episodes, tail, numbers):
    recording = recorded(episodes, tail, True, numbers)
    rows = [float(value) for value in recording.observations[:, 0]]
    found, hashes = episode_checks.episodes(recording, HORIZON), duplicates.row_hashes(recording)
    again = [row for row, value in enumerate(rows) if value in rows[:row]]
    repeated = duplicates.repeated_rows(hashes)
    assert repeated.status == ("warning" if again else "ok")
    assert not again or (count(repeated), repeated.detail.split()[-1]) == (len(again), str(again[0]))

    whole = [tuple(rows[first : last + 1]) for first, last in walked(recording)[0]]
    same = [place for place, episode in enumerate(whole) if episode in whole[:place]]
    repeated = duplicates.repeated_episodes(hashes, found)
    assert repeated.status == ("warning" if same else "ok")
    assert not same or (count(repeated), repeated.detail.split()[-1]) == (len(same), str(int(found.starts[same[0]])))


def test_a_row_differs_by_any_number_of_it():
    recording = recorded([(4, "terminal")], 3, True, [1])
    for array in (recording.observations, recording.actions):
        array[2] += 1
        hashes = duplicates.row_hashes(recording)
        assert len(np.unique(hashes)) == 2
        array[2] -= 1
    assert len(np.unique(duplicates.row_hashes(recording))) == 1


def test_terminal_rows_are_stepped_however_few(made):
    recording = d4rl_files.read(made[CHEETAH][0], ENVIRONMENTS["halfcheetah"])
    recording.terminals[1] = True  # a row that the even spread misses
    assert 1 not in alignment._spread(np.arange(ROWS), alignment.SAMPLED[0])
    assert stepped("halfcheetah", recording, made[CHEETAH][1]).status == "wrong"
