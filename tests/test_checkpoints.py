"""Checkpoints hold what was saved, say what is damaged, and give back nothing else."""

import json
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plas_jax.training.checkpoint_facts import FORMAT, About
from plas_jax.training.checkpoint_troubles import _without_closed_loops
from plas_jax.training.checkpoints import Checkpoints
from plas_jax.training.layout import on_runs, run_mesh

RUNS = 3  # four slots on two devices
OF = "the test's runs"


def batch(seed, shape=(40, 50)):
    """Values that do not compress, so that most bytes on the disk are theirs."""
    generator = np.random.default_rng(seed)
    return {
        "weights": {"kernel": generator.standard_normal((RUNS, *shape)).astype(np.float32)},
        "step": generator.integers(0, 100, RUNS).astype(np.int32),
        "healthy": generator.random(RUNS) > 0.5,
    }


def laid_out(seed, **options):
    return on_runs(run_mesh(RUNS if jax.device_count() > RUNS else 2), batch(seed, **options))


def same(found, seed):
    expected = batch(seed)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    return jax.tree.map(lambda leaf: leaf.dtype, found) == jax.tree.map(lambda leaf: leaf.dtype, expected)


def newest(folder, said, **options):
    with Checkpoints(folder, OF, said.append) as checkpoints:
        return checkpoints.newest(laid_out(0), RUNS, **options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints after 10 and 20 updates, of seeds 10 and 20."""
    folder = tmp_path_factory.mktemp("saved") / "checkpoints"
    said = []
    with Checkpoints(folder, OF, said.append) as checkpoints:
        for update in (5, 10, 20):
            checkpoints.save(update, laid_out(update), RUNS)
    assert said == []
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def files_of(step):
    return sorted(path for path in step.rglob("*") if path.is_file())


def test_the_last_two_are_kept_and_the_newest_is_given_back(folder):
    said = []
    update, found = newest(folder, said)
    assert update == 20
    assert same(found, 20)
    assert {path.name for path in folder.iterdir()} == {"10", "20"}
    assert said == []


@pytest.mark.parametrize("devices", [1, 2])
def test_what_was_laid_out_over_two_devices_is_restored_on_one(folder, devices):
    assert json.loads((folder / "20" / "about" / "metadata").read_text())["slots"] == 4
    found = newest(folder, [])[1]
    again = on_runs(run_mesh(devices), found)
    assert len(again["step"]) == {1: 3, 2: 4}[devices]
    assert same(jax.tree.map(lambda leaf: np.asarray(leaf)[:RUNS], again), 20)


@partial(jax.jit, donate_argnums=0)
def overwritten(tree):
    return jax.tree.map(lambda leaf: leaf * 0 + 7, tree)


@jax.jit
def computed(tree):
    """As the batch of a chunk is: JAX never overwrites what was put there, for it may be NumPy's."""
    return jax.tree.map(lambda leaf: leaf + 0, tree)


def buffers(tree):
    return {shard.data.unsafe_buffer_pointer() for shard in tree["kernel"].addressable_shards}


def test_a_donated_batch_is_saved_as_it_was(tmp_path):
    """The next chunk writes into the batch's own buffers while the checkpoint is being written."""
    shape = (600, 700)
    with Checkpoints(tmp_path, OF, pytest.fail, keep=5) as checkpoints:
        for update in range(1, 6):
            donated = computed({"kernel": laid_out(update, shape=shape)["weights"]["kernel"]})
            before = buffers(donated)
            checkpoints.save(update, donated, RUNS)
            following = jax.block_until_ready(overwritten(donated))
            assert (np.asarray(following["kernel"]) == 7).all()
            assert buffers(following) == before
            found = checkpoints.newest(following, RUNS)
            assert found[0] == update
            np.testing.assert_array_equal(found[1]["kernel"], batch(update, shape)["weights"]["kernel"])


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, Path.unlink])
def test_any_damaged_file_is_harmless_or_told_and_the_one_before_is_taken(saved, tmp_path, damage):
    told = 0
    for place in range(len(files_of(saved / "20"))):
        copy = Path(shutil.copytree(saved, tmp_path / f"copy_{place}"))
        path = files_of(copy / "20")[place]
        damage(path)
        said = []
        update, found = newest(copy, said)
        assert same(found, update), path
        if update == 10:
            told += 1
            (line,) = said
            assert line.startswith(f"the checkpoint of {OF} after 20 updates is damaged (")
            assert line.endswith("going on from the one after 10 updates")
            assert "\n" not in line
            assert {path.name for path in copy.iterdir()} == {"10"}
        else:
            assert said == []
    assert told >= 4


def test_a_flipped_bit_that_nothing_below_sees_is_seen(folder):
    """Of incompressible weights Orbax restores other numbers without a word; the checksums tell which."""
    path = max(files_of(folder / "20" / "batch"), key=lambda path: path.stat().st_size)
    flipped(path)
    with Checkpoints(folder, OF, pytest.fail) as checkpoints:
        plain = checkpoints._manager.restore(20, args=_without_checks())["batch"]
    assert (plain["weights.kernel"][:RUNS] != batch(20)["weights"]["kernel"]).any()
    said = []
    assert newest(folder, said)[0] == 10
    assert "weights.kernel of run" in said[0]


def _without_checks():
    import orbax.checkpoint as ocp

    shapes = {
        "weights.kernel": np.zeros((4, 40, 50), np.float32), "step": np.zeros(4, np.int32),
        "healthy": np.zeros(4, bool), "checksums": np.zeros((4, 3), np.uint32),
    }  # fmt: skip
    return ocp.args.Composite(batch=ocp.args.StandardRestore(shapes))


def test_without_a_whole_one_training_starts_afresh(folder):
    for step in ("10", "20"):
        shutil.rmtree(folder / step / "batch")
    said = []
    with Checkpoints(folder, OF, said.append) as checkpoints:
        assert checkpoints.newest(laid_out(0), RUNS) is None
        (line,) = said
        assert line.startswith(f"the checkpoints of {OF} after 20 and 10 updates are damaged (")
        assert line.endswith("training starts afresh")
        checkpoints.save(10, laid_out(10), RUNS)
    assert newest(folder, said)[0] == 10
    assert len(said) == 1


def test_an_empty_or_missing_folder_is_not_worth_a_word(tmp_path):
    said = []
    assert newest(tmp_path / "none", said) is None
    assert newest(tmp_path / "none", said) is None
    assert said == []


def rewritten(folder, **changes):
    path = folder / "about" / "metadata"
    facts = json.loads(path.read_text())
    about = About.from_json(facts)._replace(**changes)
    path.write_text(json.dumps(about.as_json()))


def test_a_newer_format_is_one_line_and_stays(folder):
    rewritten(folder / "20", format=FORMAT + 1)
    with pytest.raises(ValueError, match=f"has format {FORMAT + 1}, which a newer plas_jax wrote") as caught:
        newest(folder, [])
    assert "\n" not in str(caught.value)
    assert {path.name for path in folder.iterdir()} == {"10", "20"}


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied"),
        ValueError("Error opening \"zarr\" driver [os_error_code='5'] ..."),
        MemoryError("no room"),
    ],
)
def test_a_disk_that_cannot_be_read_is_no_damage_and_nothing_is_removed(folder, monkeypatch, error):
    def restore(*arguments, **options):
        raise error

    with Checkpoints(folder, OF, pytest.fail) as checkpoints:
        monkeypatch.setattr(checkpoints._manager, "restore", restore)
        with pytest.raises((OSError, MemoryError)):
            checkpoints.newest(laid_out(0), RUNS)
    assert {path.name for path in folder.iterdir()} == {"10", "20"}


def test_a_damaged_format_is_not_taken_for_a_newer_one(folder):
    path = folder / "20" / "about" / "metadata"
    path.write_text(path.read_text().replace('"format": 1', '"format": 9'))
    said = []
    assert newest(folder, said)[0] == 10
    assert len(said) == 1


CHANGES = [{"subject": "others"}, {"update": 21}, {"runs": 2}, {"slots": 10**12}, {"slots": None}]


@pytest.mark.parametrize("changes", CHANGES)
def test_what_is_of_something_else_is_not_taken(folder, changes):
    rewritten(folder / "20", **changes)
    said = []
    assert newest(folder, said)[0] == 10
    assert len(said) == 1


def test_an_older_one_is_taken_where_a_newer_one_is_too_new_and_what_is_newer_goes(folder):
    said = []
    update, found = newest(folder, said, at_most=19)
    assert (update, same(found, 10)) == (10, True)
    assert len(said) == 1
    assert {path.name for path in folder.iterdir()} == {"10"}


@pytest.mark.parametrize("strange", ["link", "pipe", "large"])
def test_nothing_is_followed_waited_for_or_read_without_end(folder, strange):
    path = folder / "20" / "batch" / "_METADATA"
    path.unlink()
    if strange == "link":
        path.symlink_to(folder / "10" / "batch" / "_METADATA")
    elif strange == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
        os.truncate(path, 2**40)
    said = []
    assert newest(folder, said)[0] == 10
    assert len(said) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"step"', '"../../../outside"'),
        ('"use_ocdbt": true', '"use_ocdbt": false'),
        ('"use_zarr3": false', '"use_zarr3": true'),
        ('"value_type": "jax.Array"', '"value_type": "os.system"'),
        ("{", '{"driver": "http", "base_url": "http://localhost:1", "kvstore": "file:///etc/",'),
    ],
)
def test_metadata_point_nowhere_else(folder, old, new):
    """The folder and the names to read are this program's; a checkpoint that has others is left or read as it is."""
    path = folder / "20" / "batch" / "_METADATA"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    said = []
    update, found = newest(folder, said)
    assert same(found, update)
    assert len(said) == (update == 10)


def test_what_a_dead_process_was_writing_is_removed(folder):
    left = folder / "30.orbax-checkpoint-tmp-7"
    (left / "batch.orbax-checkpoint-tmp-8").mkdir(parents=True)
    said = []
    assert newest(folder, said)[0] == 20
    assert not left.exists()
    assert said == []


@st.composite
def mutations(draw):
    """Which file of a checkpoint, and what happens to its bytes."""
    place = draw(st.floats(0, 1, exclude_max=True))
    kind = draw(st.sampled_from(["flip", "cut", "insert", "overwrite", "delete", "swap", "folder"]))
    return place, kind, draw(st.floats(0, 1, exclude_max=True)), draw(st.binary(min_size=1, max_size=64))


def mutate(step, place, kind, where, data):
    files = files_of(step)
    path = files[int(place * len(files))]
    before = path.read_bytes()
    at = int(where * len(before))
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "swap":
        path.write_bytes(
            files[int(where * len(files))].read_bytes() if files[int(where * len(files))].exists() else b""
        )
    elif kind != "delete":
        flipped = bytes([before[at] ^ (data[0] or 1)]) if before else b"\1"
        middle = {"flip": flipped, "cut": b"", "insert": data, "overwrite": data}[kind]
        rest = {"flip": at + 1, "cut": len(before), "insert": at, "overwrite": at + len(data)}[kind]
        path.write_bytes(before[:at] + middle + before[rest:])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(mutations(), min_size=1, max_size=3))
@example([(0.0, "flip", 0.76171875, b"P")])  # a time that is infinite
def test_mutated_files_give_the_saved_values_or_the_ones_before_in_one_line(saved, changes):
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(saved, Path(place) / "copy"))
        for change in changes:
            mutate(copy / "20", *change)
        said = []
        update, found = newest(copy, said)
        assert same(found, update)
        assert len(said) == (update == 10)
        assert all("\n" not in line for line in said)


def test_a_full_disk_loses_no_checkpoint_and_is_told_once(small_disk, capfd):
    said, (disk, mount) = [], small_disk
    assert mount(2048, "remount")
    with Checkpoints(disk / "checkpoints", OF, said.append) as checkpoints:
        checkpoints.save(10, laid_out(10), RUNS)
        checkpoints.wait()
        filler = disk / "filler"
        free = os.statvfs(disk)
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 2**14))
        checkpoints.save(20, laid_out(20), RUNS)
        checkpoints.wait()
        (line,) = said
        assert line.startswith(f"warning: the checkpoint of {OF} after 20 updates could not be written (")
        assert "\n" not in line
        assert "20" not in {path.name for path in (disk / "checkpoints").iterdir()}
        filler.unlink()
        checkpoints.save(30, laid_out(30), RUNS)
    update, found = newest(disk / "checkpoints", said)
    assert update == 30
    assert same(found, 30)
    assert len(said) == 1
    assert {path.name for path in (disk / "checkpoints").iterdir()} == {"10", "30"}
    assert capfd.readouterr().err == ""


def test_only_a_closed_loop_goes_unsaid():
    said = []
    for message in ("Event loop is closed", "a leak"):
        _without_closed_loops(SimpleNamespace(exc_value=RuntimeError(message)), shown=said.append)
    assert [str(failure.exc_value) for failure in said] == ["a leak"]
