"""The data from the command line.

usage:
  python -m plas_jax.datasets list [--all] [--data_dir=D]
  python -m plas_jax.datasets make NAME [--size=1000000] [--seed=0] [--replay=ladder|train] [--data_dir=D]
                                   [--policy=FILE.npz | --demonstrations=FILE.hdf5]
  python -m plas_jax.datasets fetch NAME [--server=URL] [--data_dir=D]
  python -m plas_jax.datasets validate NAME [--size=1000000] [--seed=0] [--data_dir=D]

`list` shows the data sets that are here, with --all every one and what was found of it. `make` makes a recipe's, or
finds it made; --replay=train makes the buffer of a fresh training run instead of the ladder of shipped policies;
--policy and --demonstrations are what an expert or cloned recipe of Adroit's hand is made of. `fetch` downloads a file
of D4RL's. Both print the file's path and sha256 last. `validate` checks a data set: 0 when nothing is wrong. Without
--data_dir, data are looked for in $D4RL_DATASET_DIR, then in ~/.d4rl/datasets, and written to the first of these.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from plas_jax.commands.datasets_validate import report
from plas_jax.commands.invocation import invoke
from plas_jax.datasets import download
from plas_jax.datasets.catalogue import D4RL_SERVER, Dataset, parse, parts, url
from plas_jax.datasets.folders import locate, writable_folder
from plas_jax.datasets.offers import offered_size
from plas_jax.environments.own_data import find
from plas_jax.files.messages import unknown
from plas_jax.files.whole_files import sha256
from plas_jax.recipes import manifests
from plas_jax.recipes.adroit import NEEDED
from plas_jax.recipes.behaviour_policy import WEIGHTS
from plas_jax.recipes.collect import data_files, make, parse_recipe
from plas_jax.sweeps.progress import Watch, screen
from plas_jax.verification.data.listing import show

COMMANDS = ("list", "make NAME", "fetch NAME", "validate NAME")
# Values of its own and not absl's global ones, where another command's `seed` may be defined already.
FLAGS = flags.FlagValues()
flags.DEFINE_integer(
    "size", None, "Rows of a recipe; default: those of D4RL's v2 file.", lower_bound=2, flag_values=FLAGS
)
flags.DEFINE_boolean("all", False, "List those that are not here, too.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of a recipe.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_enum("replay", "ladder", ["ladder", "train"], "What makes a medium-replay recipe.", flag_values=FLAGS)
flags.DEFINE_string("policy", None, "Policy of an Adroit expert recipe.", flag_values=FLAGS)
flags.DEFINE_string("demonstrations", None, "Demonstrations of an Adroit cloned recipe.", flag_values=FLAGS)
flags.DEFINE_string("server", D4RL_SERVER, "Where the folders of D4RL's files are, or of a mirror.", flag_values=FLAGS)
flags.DEFINE_string("data_dir", None, "Folder to look in and to write to.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Do what the words ask for; return the exit status. Raises `flags.Error` when that is nothing."""
    match words:
        case ["list"]:
            show(FLAGS.data_dir, FLAGS.all)
        case ["make", name]:
            _make(name)
        case ["fetch", name]:
            _fetch(parse(name))
        case ["validate", name]:
            return _validate(find(name))
        case ["make" | "fetch" | "validate" as command]:
            raise flags.Error(f"{command} needs the NAME of a data set: `list --all` has them")
        case []:
            raise flags.Error("which command: list, make, fetch or validate? --help shows how to call them")
        case _:
            raise flags.Error(f"{' '.join(words)!r} is {unknown(words[0], COMMANDS, 'command')}")
    return 0


def _make(name: str) -> None:
    dataset = parse_recipe(name)  # a wrong name should not create the default folder
    if FLAGS.replay == "train":
        if dataset.level != "medium-replay":
            raise ValueError(f"--replay=train makes a medium-replay recipe, not {name}")
        dataset = parse(name.replace("-replay-", "-replay-trained-"))
    rows, weights = FLAGS.size or dataset.rows or 0, _ingredients(dataset)
    folder = writable_folder(FLAGS.data_dir)
    with Watch() as watch:
        path = make(
            dataset.name, rows, FLAGS.seed, folder, lambda done: watch.rows_made(dataset.name, done, rows), weights
        )
    manifest = manifests.read(path)
    if manifest is None:
        raise FileNotFoundError(f"{path} or its manifest vanished as soon as it was made")
    print(path)
    print(manifest["sha256"])


def _ingredients(dataset: Dataset) -> Path:
    """Return the file that an Adroit recipe is made of, or the folder of shipped policies."""
    given = {"expert": FLAGS.policy, "cloned": FLAGS.demonstrations}
    wanted = dataset.level if dataset.environment.family == "adroit" else ""
    for level, path in given.items():
        if path and level != wanted:
            flag = NEEDED[level].partition("=")[0]
            raise ValueError(f"{flag} makes {level} recipes of Adroit's hand, not {dataset.name}")
    return Path(given[wanted]).expanduser() if wanted and given[wanted] else WEIGHTS


def _fetch(dataset: Dataset) -> None:
    for part in parts(dataset):
        url(part)  # refuses a recipe, before a folder is created for it
    folder = writable_folder(FLAGS.data_dir)
    fetched = []
    with Watch() as watch:
        for part in parts(dataset):
            path = locate(part, FLAGS.data_dir)
            fetched.append((path or _download(part, folder, watch), part.sha256))
    for path, published in fetched:
        print(path)
        print(published or sha256(path))


def _download(part: Dataset, folder: Path, watch: Watch) -> Path:
    published = url(part)
    address = published.replace(D4RL_SERVER, FLAGS.server.rstrip("/"))
    size = part.bytes or offered_size(address)
    if not part.sha256:
        warnings.warn(f"{part.name}: no hash of its file was published: nothing but its size is checked", stacklevel=2)
    phase = watch.phase(f"fetch {part.name}", size)
    return download.download(
        download.Published(address, size, part.sha256),
        folder / published.rpartition("/")[2],
        lambda done: phase.show(done, f"{done / 1e6:,.0f} of {size / 1e6:,.0f} MB"),
    )


def _validate(dataset: Dataset) -> int:
    rows = FLAGS.size or dataset.rows or 0
    with Watch() as watch:
        paths = data_files(
            dataset, rows, FLAGS.seed, FLAGS.data_dir, lambda done: watch.rows_made(dataset.name, done, rows)
        )
    manifest = manifests.read(paths[0]) if dataset.is_recipe else None
    return report(dataset, paths, manifest["sha256"] if manifest else None, screen())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 for an error (one line on stderr) or 2 for a call that is no command."""
    return invoke(run, FLAGS, __doc__ or "", argv, takes_words=True)
