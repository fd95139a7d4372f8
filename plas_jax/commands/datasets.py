"""The data from the command line.

usage:
  python -m plas_jax.datasets list [--data_dir=D]
  python -m plas_jax.datasets make NAME [--size=1000000] [--seed=0] [--data_dir=D]

`list` shows every data set and where it is; `make` makes a recipe's, or finds it made, and prints its path and
sha256. Without --data_dir, data are looked for in $D4RL_DATASET_DIR, then in ~/.d4rl/datasets, and written to the
first of these.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from absl import flags
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from plas_jax.datasets.catalogue import Dataset, names, normalised_score, parse
from plas_jax.datasets.folders import locate, search_path, writable_folder
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import make, parse_recipe

# Values of its own and not absl's global ones, where another command's `seed` may be defined already.
FLAGS = flags.FlagValues()
flags.DEFINE_integer("size", 1_000_000, "Rows of a recipe.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of a recipe.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder to look in and to write to.", flag_values=FLAGS)
flags.DEFINE_boolean("help", False, "Show how to call this.", short_name="h", flag_values=FLAGS)
PLAIN_WIDTH = 240  # columns of a table that goes into a file or a pipe


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for an error (one line on stderr), 2 for a call that is no command."""
    try:
        FLAGS.unparse_flags()
        _, *words = FLAGS([sys.argv[0], *(sys.argv[1:] if argv is None else argv)])
        command = _command(words)
    except flags.Error as error:
        return _complain(error, 2)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            command()
    except (ValueError, OSError, MemoryError) as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing half-made was left behind", 130)
    return 0


def _command(words: list[str]) -> Callable[[], None]:
    """What the words ask for. Raises `flags.Error` when that is nothing."""
    if FLAGS.help:
        return partial(print, __doc__)
    match words:
        case ["list"]:
            return _list
        case ["make", name]:
            return partial(_make, name)
        case ["make"]:
            raise flags.Error("make needs the NAME of a recipe")
        case []:
            raise flags.Error("which command, list or make? --help shows how to call them")
    raise flags.Error(f"{' '.join(words)!r} is no command; there are `list` and `make NAME`")


def _complain(error: object, status: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _make(name: str) -> None:
    parse_recipe(name)  # a wrong name should not create the default folder
    folder = writable_folder(FLAGS.data_dir)
    with _shown(name, FLAGS.size) as progress:
        path = make(name, FLAGS.size, FLAGS.seed, folder, progress)
    manifest = manifests.read(path)
    if manifest is None:
        raise FileNotFoundError(f"{path} or its manifest vanished as soon as it was made")
    print(path)
    print(manifest["sha256"])


@contextmanager
def _shown(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress on stderr: a bar with the time left on a terminal, elsewhere a line for each tenth."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda rows: bar.update(task, completed=rows)
        return
    started, tenth = time.monotonic(), 0

    def line(rows: int) -> None:
        nonlocal tenth
        if 10 * rows // total > tenth:
            tenth = 10 * rows // total
            left = (time.monotonic() - started) * (total - rows) / rows
            print(f"{name}: {rows:,} of {total:,} rows, {left:.0f} s to go", file=sys.stderr, flush=True)

    yield line


def _list() -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=PLAIN_WIDTH)
    table = Table(title="data sets", title_justify="left")
    table.add_column("name", no_wrap=True)
    for heading in ("rows", "seed", "episodes", "mean return", "score"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    for name in names():
        for row in _rows(parse(name)):
            table.add_row(name, *row)
    console.print(table)
    folders = ", ".join(str(folder) for folder in search_path(FLAGS.data_dir))
    console.print(f"looked in {folders}", highlight=False, soft_wrap=True)


def _rows(dataset: Dataset) -> Sequence[tuple[str, ...]]:
    """The cells after the name, for each file of a data set, or once to say that there is none."""
    unknown = ("", "", "", "", "")
    if not dataset.is_recipe:
        found = locate(dataset, FLAGS.data_dir)
        return [(*unknown, str(found) if found else "not found")]
    folders = search_path(FLAGS.data_dir)
    files = [pair for folder in folders for pair in manifests.made(folder, dataset.name)]
    rows = []
    for path, manifest in files:
        mean, score = manifest["return_mean"], ""
        if mean is not None:
            score = f"{float(normalised_score(dataset.environment, mean)):z.1f}"
        counts = (f"{manifest['rows']:,}", str(manifest["seed"]), f"{manifest['episodes']:,}")
        rows.append((*counts, "" if mean is None else f"{mean:.1f}", score, str(path)))
    return rows or [(*unknown, "not made yet")]
