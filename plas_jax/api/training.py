"""Trainings in Python: the sweeps of `plas-jax d4rl_scores`, asked for with objects instead of flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from plas_jax.api.data import Dataset
from plas_jax.api.folders import Folder
from plas_jax.files.messages import unknown
from plas_jax.methods.method import Method
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.methods.settings import settings_of, swept
from plas_jax.reports.writing import write_scores
from plas_jax.results.folder import output_folder
from plas_jax.sweeps.flag_values import published, seeds_of, seeds_of_flags
from plas_jax.sweeps.request import Place, Request, TableCommand, request_for
from plas_jax.sweeps.sitting import sit

Named = str | Path | Method
Data = Dataset | str
Knobs = Mapping[str, float | Sequence[float]]


class Options(TypedDict, total=False):
    """What else decides a training, and where it goes."""

    preset: str  # "smoke", "laptop" (the default) or "paper"
    settings: Mapping[str, object]  # as --set: {"plas.policy.updates": 200_000, "critic_widths": (256, 256)}
    output: str | Path  # the folder; by default a new one under results/
    resume: bool
    dynamics: str  # "d4rl" (the default) or "gymnasium"


def train(
    method: Named,
    data: Data | Sequence[Data],
    seeds: int | Sequence[int] = 3,
    updates: int | None = None,
    knobs: Knobs | None = None,
    **options: Unpack[Options],
) -> Folder:
    """Train one method on one or more data sets, all seeds and values of knobs as one batched computation.

    `method` is a published one's name, the path of a Python file with a METHOD, or a `Method`. `updates` is the length
    of each phase. `knobs` are constants, each a number or several, all of which are trained. Returns the folder of
    results. Raises `ValueError` or `OSError`, one line, before anything is trained, for what cannot be done.
    """
    return compare([method], data, seeds, updates, knobs, **options)


def compare(
    methods: Sequence[Named],
    data: Data | Sequence[Data],
    seeds: int | Sequence[int] = 3,
    updates: int | None = None,
    knobs: Knobs | None = None,
    **options: Unpack[Options],
) -> Folder:
    """Train several methods on the same data with the same seeds, and return the folder of results, as `train` does."""
    sets = [data] if isinstance(data, Dataset | str) else data
    datasets = [Dataset.load(each) if isinstance(each, str) else each for each in sets]
    chosen = [_method(method) for method in methods]
    request = _request(chosen, datasets, _seeds(seeds), _settings(updates, options), knobs or {}, options)
    if sit(lambda: request, write_scores, speaks=False):
        raise KeyboardInterrupt(f"stopped; the same call with output={str(request.output)!r}, resume=True goes on")
    return Folder(request.output, [method for method in chosen if method.name not in METHODS])


def _method(named: Named) -> Method:
    if isinstance(named, Method):
        if named.name in METHODS and named != METHODS[named.name]:
            raise ValueError(f"a method of the name {named.name} is this project's: _replace(name=…) gives it another")
        return named
    return published(str(named))


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    return seeds_of_flags(str(seeds), 0) if isinstance(seeds, int) else seeds_of(seeds)


def _settings(updates: int | None, options: Options) -> list[str]:
    values = dict(options.get("settings", {})) | ({} if updates is None else {"updates": updates})
    return [f"{path}={_text(value)}" for path, value in values.items()]


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _request(
    methods: Sequence[Method],
    datasets: Sequence[Dataset],
    seeds: tuple[int, ...],
    settings: Sequence[str],
    knobs: Knobs,
    options: Options,
) -> Request:
    name = options.get("preset", "laptop")
    if name not in SCORE_PRESETS:
        raise ValueError(f"preset={name!r} is {unknown(name, list(SCORE_PRESETS), 'preset')}")
    preset, folders = SCORE_PRESETS[name], {dataset.data_dir for dataset in datasets}
    data_dir, *others = folders
    if others:
        raise ValueError(f"data sets are looked for in one folder, not in {', '.join(map(str, folders))}")
    several = {knob: value if isinstance(value, Sequence) else [value] for knob, value in knobs.items()}
    grid = tuple((knob, tuple(map(float, values))) for knob, values in several.items())
    sized = tuple(swept(preset.method(method), grid) for method in methods)
    output = output_folder(str(options.get("output", "")), f"train-{name}")
    place = Place(options.get("dynamics", "d4rl"), data_dir, output, options.get("resume", False))
    asked = tuple(dataset.record for dataset in datasets), seeds, settings_of(settings, [each.name for each in sized])
    return request_for(TableCommand("train", preset, sized, ()), place, *asked)
