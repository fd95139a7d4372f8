"""What data there are: every name with each of its files, or with a word that there is none."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from plas_jax.datasets.catalogue import Dataset, names, normalised_score, parse, parts
from plas_jax.datasets.folders import locate, search_path
from plas_jax.datasets.loading import describe_files, fingerprint
from plas_jax.files.messages import one_line
from plas_jax.recipes import manifests
from plas_jax.sweeps.progress import Watch, print_table

NUMBERS = ("rows", "seed", "episodes", "terminals", "timeouts", "mean return", "score", "fingerprint")
SHORT = (0, 1, 2, 5, 6)  # those of them that fit beside the longest name
ABSENT = UNMADE, NOT_FOUND = "not made yet", "not found"


class Contents(NamedTuple):
    """What is known of one file, or of the files of a mixture; None where nothing is."""

    rows: int
    seed: int | None
    episodes: int
    terminals: int
    timeouts: int
    return_mean: float | None
    fingerprint: str
    where: str

    def cells(self, dataset: Dataset) -> list[str]:
        """Return the cells of a line after the name."""
        counts = [f"{self.episodes:,}", f"{self.terminals:,}", f"{self.timeouts:,}"]
        mean, score = "", ""
        if self.return_mean is not None:
            mean = f"{self.return_mean:.1f}"
            score = f"{float(normalised_score(dataset.environment, self.return_mean)):z.1f}"
        seed = "" if self.seed is None else str(self.seed)
        return [f"{self.rows:,}", seed, *counts, mean, score, self.fingerprint[:12], self.where]


def show(data_dir: str | None, everything: bool) -> None:
    """Print what is here, in a table that fits 80 columns, or `everything` there is in a wider one.

    Raises `OSError` when `data_dir` is given and is no folder.
    """
    folders, here, lines, unread = search_path(data_dir), list[list[str]](), list[list[str]](), list[str]()
    with Watch() as watch:
        for name in names():
            for contents in _contents(parse(name), data_dir, watch):
                cells = _nothing(contents) if isinstance(contents, str) else contents.cells(parse(name))
                lines.append([name, *cells])
                if not isinstance(contents, str):
                    here.append([name, *(cells[place] for place in SHORT)])
                elif contents not in ABSENT:
                    unread.append(f"{name}: {contents}")
    if everything:
        print_table(("name", *NUMBERS, "found"), lines)
    else:
        print_table(("name", *(NUMBERS[place] for place in SHORT)), here)
        for line in unread:
            print(line)
        others = len({name for name, *_ in lines} - {name for name, *_ in here})
        print(f"{others} others are not here: --all lists them, make and fetch bring them")
    print(f"looked in {', '.join(map(str, folders))}")


def _contents(dataset: Dataset, data_dir: str | None, watch: Watch) -> Sequence[Contents | str]:
    """Return what is known of each file of a data set, or a word that says why nothing is."""
    if dataset.is_recipe:
        folders = search_path(data_dir)
        files = [pair for folder in folders for pair in manifests.made(folder, dataset.name)]
        return [_made(path, manifest) for path, manifest in files] or [UNMADE]
    located = [locate(part, data_dir) for part in parts(dataset)]
    paths = [path for path in located if path is not None]
    if len(paths) < len(located):
        return [NOT_FOUND]
    phase = watch.phase(f"read {dataset.name}", 1)
    try:
        return [_read(dataset, paths)]
    except (ValueError, OSError) as error:
        return [one_line(error)]
    finally:
        phase.show(1)


def _nothing(why: str) -> list[str]:
    return [""] * len(NUMBERS) + [why]


def _made(path: Path, manifest: manifests.Manifest) -> Contents:
    numbers = (manifest["seed"], manifest["episodes"], manifest["terminals"], manifest["timeouts"])
    return Contents(manifest["rows_made"], *numbers, manifest["return_mean"], manifest["fingerprint"], str(path))


def _read(dataset: Dataset, paths: list[Path]) -> Contents:
    description = describe_files(dataset, paths)
    counts = description.episodes, description.terminals, description.timeouts
    mean = description.return_mean if description.episodes else None
    where = " + ".join(map(str, paths))
    return Contents(description.rows, None, *counts, mean, fingerprint(paths), where)
