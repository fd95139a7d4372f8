"""What goes wrong under a checkpoint, told once and in one line."""

import errno
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial

LONGEST = 160  # characters of another package's error
# These may pass, or the user may mend them: what cannot be read for one of them is not damaged.
OF_THE_DISK = (
    errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT,
)  # fmt: skip


def silence() -> None:
    """Keep Orbax from printing what it raises.

    It would print tracebacks, asyncio one for each array, and those that are not read or written yet when the first
    one fails are not waited for or find their loop closed.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    sys.unraisablehook = partial(_without_closed_loops, shown=sys.unraisablehook)


def _without_closed_loops(
    failure: "sys.UnraisableHookArgs", shown: Callable[["sys.UnraisableHookArgs"], object]
) -> None:
    if "Event loop is closed" not in str(failure.exc_value):
        shown(failure)


def line(error: Exception) -> str:
    """Return what an error says, short enough for a line: the operating system's words where it is the system's."""
    code = _system_code(error)
    text = os.strerror(code) if code else " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def refuse_disk_errors(error: Exception, path: str) -> None:
    """Raise `OSError`, of this path, where the disk could not be read; whatever else it was is damage."""
    code = _system_code(error)
    if code in OF_THE_DISK:
        raise OSError(code, os.strerror(code), path) from error


def _system_code(error: Exception) -> int | None:
    """Return the operating system's code for an error, also where TensorStore has it behind a long text."""
    match = re.search(r"os_error_code='(\d+)'", str(error))
    return int(match[1]) if match else getattr(error, "errno", None)


def damage_report(subject: str, damaged: Sequence[tuple[int, Exception]], instead: int | None) -> str:
    """Return in a line which checkpoints are damaged, the newest one's damage, and where training goes on."""
    updates = " and ".join(f"{update:,}" for update, _ in damaged)
    which = f"checkpoint of {subject} after {updates} updates is"
    if len(damaged) > 1:
        which = f"checkpoints of {subject} after {updates} updates are"
    then = "training starts afresh" if instead is None else f"going on from the one after {instead:,} updates"
    return f"the {which} damaged ({damaged[0][1]}); {then}"
