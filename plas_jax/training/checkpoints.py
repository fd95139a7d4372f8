"""Saving and restoring states between chunks with Orbax: written beside, then renamed, so never half there."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """The last `keep` checkpoints of one run in `folder`, each under the number of updates it was taken at."""

    def __init__(self, folder: Path, keep: int = 2):
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def save(self, update: int, tree: Any) -> None:
        """Write a tree of arrays; a checkpoint of the same number is left as it is."""
        if update not in self._manager.all_steps():
            self._manager.save(update, args=ocp.args.StandardSave(tree))

    def latest(self) -> int | None:
        """The number of the newest whole checkpoint, or None."""
        return self._manager.latest_step()

    def restore(self, update: int, like: Any) -> Any:
        """The tree saved at `update`, with the structure, shapes, dtypes and placement of `like`."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        return self._manager.restore(update, args=ocp.args.StandardRestore(abstract))

    def close(self) -> None:
        """Wait for pending writes and release the folder."""
        self._manager.close()
