"""What data there are: every name with each of its files, or with a word that there is none."""

from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from plas_jax.datasets.catalogue import Dataset, names, normalised_score, parse, parts
from plas_jax.datasets.folders import locate, search_path
from plas_jax.datasets.loading import describe_files, fingerprint
from plas_jax.recipes import manifests
from plas_jax.sweeps.progress import Watch, screen

NUMBERS = ("rows", "seed", "episodes", "terminals", "timeouts", "mean return", "score", "fingerprint")


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


def show(data_dir: str | None) -> None:
    """Print the table. Raises `OSError` when `data_dir` is given and is no folder."""
    console = screen()
    table = Table(title="data sets", title_justify="left")
    table.add_column("name", no_wrap=True)
    for heading in NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("found", overflow="fold")
    with Watch() as watch:
        for name in names():
            for cells in _lines(parse(name), data_dir, watch):
                table.add_row(name, *cells)
    console.print(table)
    folders = ", ".join(str(folder) for folder in search_path(data_dir))
    console.print(f"looked in {folders}", highlight=False, soft_wrap=True)


def _lines(dataset: Dataset, data_dir: str | None, watch: Watch) -> list[list[str]]:
    """Return the cells after the name, for each file of a data set, or once to say that there is none."""
    if dataset.is_recipe:
        folders = search_path(data_dir)
        files = [pair for folder in folders for pair in manifests.made(folder, dataset.name)]
        return [_made(path, manifest).cells(dataset) for path, manifest in files] or [_nothing("not made yet")]
    located = [locate(part, data_dir) for part in parts(dataset)]
    paths = [path for path in located if path is not None]
    if len(paths) < len(located):
        return [_nothing("not found")]
    phase = watch.phase(f"read {dataset.name}", 1)
    try:
        cells = _read(dataset, paths).cells(dataset)
    except (ValueError, OSError) as error:
        cells = _nothing(str(error))
    phase.show(1)
    return [cells]


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
