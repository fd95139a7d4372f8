"""What the flags of d4rl_scores ask for, checked before anything is done."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plas_jax.datasets.catalogue import Dataset
from plas_jax.methods.method import Method
from plas_jax.methods.own import own_method
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS, ScorePreset
from plas_jax.sweeps.request import asked_datasets, asked_seeds, words

# The columns of the paper's Tables 2 and 3, and behaviour cloning.
ALGORITHMS = ("bc", "bear", "brac_v", "bcq", "plas", "plas+p")
DATASETS = (
    "walker2d-medium-expert",
    "hopper-medium-expert-a",
    "hopper-medium-expert",
    "halfcheetah-medium-expert",
    "walker2d-medium-replay",
    "hopper-medium-replay",
    "halfcheetah-medium-replay",
    "walker2d-medium",
    "hopper-medium",
    "halfcheetah-medium",
    "walker2d-random",
    "hopper-random",
    "halfcheetah-random",
)


class Request(NamedTuple):
    """Which methods are trained on which data sets with which seeds, and where the results go."""

    preset: ScorePreset
    methods: tuple[Method, ...]  # at the preset's size
    datasets: tuple[Dataset, ...]
    seeds: tuple[int, ...]
    dynamics: str
    data_dir: str | None
    output: Path
    resume: bool
    holds: str = "methods"

    @property
    def selection_seeds(self) -> tuple[int, ...]:
        """The seeds on which a knob's value is chosen: as many as are reported, behind them."""
        return tuple(range(self.seeds[-1] + 1, self.seeds[-1] + 1 + len(self.seeds)))

    def seeds_of(self, method: Method) -> tuple[int, ...]:
        """The seeds that a method is trained with: where a knob has several values, those for choosing too."""
        is_choice = any(len(values) > 1 for _, values in method.grid)
        return self.seeds + (self.selection_seeds if is_choice else ())

    def arguments(self) -> dict[str, Any]:
        """What decides the results of every method; methods may be added to a folder, these may not change."""
        return {
            "preset": self.preset.name,
            "datasets": [dataset.name for dataset in self.datasets],
            "seeds": list(self.seeds),
            "dynamics": self.dynamics,
        }


def request(
    *,
    preset: str,
    algorithms: str,
    datasets: str,
    seeds: int,
    first_seed: int,
    knobs: str,
    dynamics: str,
    data_dir: str | None,
    output: Path,
    resume: bool,
) -> Request:
    """The request of these flags. Raises `ValueError` or `OSError`, one line that says what is wrong."""
    size = SCORE_PRESETS[preset]
    asked = [published(word) for word in words("--algorithms", algorithms, ",".join(ALGORITHMS))]
    names = [method.name for method in asked]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--algorithms has two methods of the name {name}")
    return Request(
        preset=size,
        methods=tuple(_swept(size.method(method), _grid(knobs)) for method in asked),
        datasets=asked_datasets(datasets, [f"{name}-r1" for name in DATASETS]),
        seeds=asked_seeds(seeds, first_seed),
        dynamics=dynamics,
        data_dir=data_dir,
        output=output,
        resume=resume,
    )


def published(word: str) -> Method:
    """A method at its published size, by its name, or one's own, by its file's path. Raises as `own_method` does."""
    if word.endswith(".py"):
        method = own_method(Path(word).expanduser())
        if method.name in METHODS:
            raise ValueError(f"{word}: its METHOD is named {method.name}, as one of this project's is: choose another")
        return method
    if word not in METHODS:
        known = ", ".join(METHODS)
        raise ValueError(f"--algorithms: {word!r} is neither one of {known} nor a Python file with a METHOD")
    return METHODS[word]


def _grid(text: str) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The knobs of "name=1,2;other=3"."""
    grid = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, values = part.partition("=")
        try:
            numbers = tuple(float(value) for value in values.split(","))
        except ValueError:
            numbers = ()
        if not name.isidentifier() or not numbers or not all(map(math.isfinite, numbers)):
            raise ValueError(f"--knobs takes name=number,number with semicolons between knobs, not {part!r}")
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"--knobs has a value twice: {part!r}")
        grid.append((name, numbers))
    if len({name for name, _ in grid}) < len(grid):
        raise ValueError(f"--knobs has a knob twice: {text!r}")
    return tuple(grid)


def _swept(method: Method, grid: Sequence[tuple[str, tuple[float, ...]]]) -> Method:
    """The method with these values for its knobs, instead of its own grid's where that has the same."""
    known = method.phase.knobs._fields
    for name, _ in grid:
        if name not in known:
            raise ValueError(f"--knobs: {method.name} has no knob {name!r} (it has {', '.join(known)})")
    asked = dict(grid)
    kept = tuple((name, values) for name, values in method.grid if name not in asked)
    return method._replace(grid=(*kept, *grid))
