"""The data from the command line.

usage:
  python -m plas_jax.datasets list [--data_dir=D]
  python -m plas_jax.datasets make NAME [--size=1000000] [--seed=0] [--data_dir=D]

`list` shows every data set and where it is; `make` makes a recipe's, or finds it made, and prints its path and
sha256. Without --data_dir, data are looked for in $D4RL_DATASET_DIR, then in ~/.d4rl/datasets, and written to the
first of these.
"""

from collections.abc import Sequence

from absl import flags
from rich.console import Console
from rich.table import Table

from plas_jax.commands.invocation import invoke
from plas_jax.commands.progress import Watch
from plas_jax.datasets.catalogue import Dataset, names, normalised_score, parse, parts
from plas_jax.datasets.folders import locate, search_path, writable_folder
from plas_jax.recipes import manifests
from plas_jax.recipes.collect import make, parse_recipe

# Values of its own and not absl's global ones, where another command's `seed` may be defined already.
FLAGS = flags.FlagValues()
flags.DEFINE_integer("size", 1_000_000, "Rows of a recipe.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of a recipe.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder to look in and to write to.", flag_values=FLAGS)
PLAIN_WIDTH = 240  # columns of a table that goes into a file or a pipe


def run(words: list[str]) -> int:
    """Do what the words ask for; `flags.Error` when that is nothing."""
    match words:
        case ["list"]:
            _list()
        case ["make", name]:
            _make(name)
        case ["make"]:
            raise flags.Error("make needs the NAME of a recipe")
        case []:
            raise flags.Error("which command, list or make? --help shows how to call them")
        case _:
            raise flags.Error(f"{' '.join(words)!r} is no command; there are `list` and `make NAME`")
    return 0


def _make(name: str) -> None:
    parse_recipe(name)  # a wrong name should not create the default folder
    folder = writable_folder(FLAGS.data_dir)
    with Watch() as watch:
        path = make(name, FLAGS.size, FLAGS.seed, folder, lambda rows: watch.rows_made(name, rows, FLAGS.size))
    manifest = manifests.read(path)
    if manifest is None:
        raise FileNotFoundError(f"{path} or its manifest vanished as soon as it was made")
    print(path)
    print(manifest["sha256"])


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
        found = [locate(part, FLAGS.data_dir) for part in parts(dataset)]
        return [(*unknown, " + ".join(map(str, found)) if all(found) else "not found")]
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


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point; the exit status is 0, 1 for an error (one line on stderr), 2 for a call that is no command."""
    return invoke(run, FLAGS, __doc__ or "", argv)
