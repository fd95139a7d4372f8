"""Saving a batch of runs while it trains on, and restoring the newest whole one on however many devices there are.

Orbax writes beside and renames, so a process that dies leaves no half checkpoint. What it does not see is a byte that
changed on the disk: every run carries checksums of its leaves, and what does not fit them is not used.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental.multihost_utils import sync_global_devices

from plas_jax.training.checkpoint_facts import (
    About,
    Damaged,
    checksums,
    first_mismatch,
    laid_out_checksums,
    refuse_strange_files,
)
from plas_jax.training.checkpoint_troubles import damage_report, line, refuse_disk_errors, silence
from plas_jax.training.hosts import is_first
from plas_jax.types import Array, Tree

ABOUT, BATCH, CHECKSUMS = "about", "batch", "checksums"
STRAGGLER_SECONDS = 0.2
silence()


class Checkpoints:
    """The newest `keep` checkpoints of one batch in `folder`, each under the number of updates it was taken at.

    `subject` is what they are of, which a restored one must say, too. `say` gets a line for each that is damaged or
    could not be written. Leaving it as a context waits for what is being written.
    """

    def __init__(self, folder: Path, subject: str, say: Callable[[str], None], keep: int = 2):
        self._folder, self._subject, self._say, self._keep = folder.absolute(), subject, say, keep
        self._pending: int | None = None
        self._open()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        _removed(self._folder.glob("*.orbax-checkpoint-tmp*"))  # of a process that died
        options = ocp.CheckpointManagerOptions(max_to_keep=self._keep, enable_async_checkpointing=True)
        try:
            self._manager = ocp.CheckpointManager(self._folder, options=options)
        except (TypeError, ValueError):  # a damaged file of times, without which Orbax takes those of the folders
            _removed(self._folder.glob("*/_CHECKPOINT_METADATA"))
            self._manager = ocp.CheckpointManager(self._folder, options=options)

    def save(self, update: int, batch: object, runs: int) -> None:
        """Begin to write a batch whose first `runs` rows are runs, each leaf `[slots, …]`; returns while it is written.

        Arrays of JAX may be donated at once, those of NumPy may not be changed before `wait`. A checkpoint of the same
        number is left as it is. What cannot be written is reported and tried no more; the checkpoints before it stay.
        """
        self.wait()
        if update in self._manager.all_steps():
            return
        names, leaves = named(batch)
        about = About.of_batch(self._subject, update, runs, leaves)
        if isinstance(leaves[0], jax.Array):
            leaves = _copies(leaves)
        of_runs = laid_out_checksums(leaves) if isinstance(leaves[0], jax.Array) else checksums(leaves)
        tree = dict(zip(names, leaves, strict=True)) | {CHECKSUMS: of_runs}
        self._pending = update
        args = {ABOUT: ocp.args.JsonSave(about.as_json()), BATCH: ocp.args.StandardSave(tree)}
        self._reported(partial(self._manager.save, update, args=ocp.args.Composite(**args), force=True))

    def wait(self) -> None:
        """Wait until nothing is being written."""
        if self._pending is not None:
            self._reported(self._manager.wait_until_finished)
            self._pending = None

    def _reported(self, step: Callable[[], object]) -> None:
        """Do part of a save; where it fails that is reported, and what it left behind is removed."""
        try:
            step()
        except Exception as error:  # whatever Orbax and the libraries under it raise for a disk that is full or gone
            self._say(
                f"warning: the checkpoint of {self._subject} after {self._pending:,} updates could not be written "
                f"({line(error)}); training goes on"
            )
            self._pending = None
            with suppress(Exception):
                self._manager.close()
            time.sleep(STRAGGLER_SECONDS)  # other arrays may still be being written
            self._open()

    def newest(self, like: Tree, runs: int, at_most: int | None = None) -> tuple[int, Tree] | None:
        """Return the newest whole checkpoint of at most `at_most` updates: its number and its batch, NumPy `[runs, …]`.

        `like` is a tree with the batch's structure, dtypes and shapes behind the leading axis, which may have another
        length. What is newer than that one, damaged or not, is removed. None where there is no whole one. Raises
        `ValueError`, one line, for one that a newer plas_jax or one before this format wrote, and `OSError` where the
        disk cannot be read; nothing is removed then.
        """
        steps, damaged, whole = sorted(self._manager.all_steps(), reverse=True), [], None
        limit = math.inf if at_most is None else at_most
        if steps and steps[0] > limit:
            self._say(
                f"{self._subject} were not evaluated at {at_most:,} updates: going back before the newest checkpoint"
            )
        for update in (step for step in steps if step <= limit):
            try:
                whole = update, self._read(update, like, runs)
                break
            except Damaged as error:
                damaged.append((update, error))
        if damaged:
            self._say(damage_report(self._subject, damaged, None if whole is None else whole[0]))
        _removed(self._folder / str(update) for update in steps if whole is None or update > whole[0])
        self._manager.reload()
        return whole

    def _read(self, update: int, like: Tree, runs: int) -> Tree:
        names, leaves = named(like)
        expected = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)
        refuse_strange_files(self._folder / str(update), 2 * expected)
        facts = self._restored(update, ABOUT, ocp.args.JsonRestore())
        about = About.from_json(facts).checked(self._subject, update, runs)
        shapes = {
            name: np.broadcast_to(np.zeros((), leaf.dtype), (about.slots, *leaf.shape[1:]))
            for name, leaf in zip(names, leaves, strict=True)
        }
        shapes[CHECKSUMS] = np.broadcast_to(np.uint32(0), (about.slots, len(leaves)))
        tree = self._restored(update, BATCH, ocp.args.StandardRestore(shapes))
        for name, shape in shapes.items():
            if tree[name].shape != shape.shape or tree[name].dtype != shape.dtype:
                raise Damaged(f"{name} is {tree[name].dtype} {tree[name].shape}")
        restored = [tree[name][:runs] for name in names]
        apart = first_mismatch(checksums(restored), tree[CHECKSUMS][:runs])
        if apart is not None:
            raise Damaged(f"{names[apart[1]]} of run {apart[0]} has another checksum")
        return jax.tree.unflatten(jax.tree.structure(like), restored)

    def _restored(self, update: int, item: str, args: ocp.args.CheckpointArgs) -> Any:
        try:
            return self._manager.restore(update, args=ocp.args.Composite(**{item: args}))[item]
        except MemoryError:
            raise
        except Exception as error:  # whatever Orbax and the libraries under it raise for bytes that make no sense
            refuse_disk_errors(error, str(self._folder / str(update)))
            raise Damaged(line(error)) from error

    def close(self) -> None:
        """Wait until nothing is being written."""
        self.wait()
        self._manager.close()


def _removed(paths: Iterable[Path]) -> None:
    """Remove folders and files, in one of several processes, before any of them goes on."""
    if is_first():
        for path in list(paths):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    if jax.process_count() > 1:
        sync_global_devices("removed")


def named(tree: object) -> tuple[list[str], list[Array]]:
    """Return the paths of a tree's leaves, and the leaves."""
    paths, leaves = zip(*jax.tree.leaves_with_path(tree), strict=True)
    return [jax.tree_util.keystr(path, simple=True, separator=".") for path in paths], list(leaves)


@partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def _copied(leaves: list[Array]) -> list[Array]:
    return [jnp.copy(leaf) for leaf in leaves]


def _copies(leaves: list[Array]) -> list[Array]:
    """Return what may be read while the leaves are donated.

    From an accelerator Orbax copies before it returns; what it has of a CPU's array is the array.
    """
    return _copied(leaves) if jax.default_backend() == "cpu" else leaves
