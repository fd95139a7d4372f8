"""What the flags of a table command ask for, checked before anything is done."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from absl.flags import FlagValues

from plas_jax.datasets.catalogue import Dataset
from plas_jax.environments.together import refuse_impossible
from plas_jax.files.messages import unknown
from plas_jax.methods.method import Method
from plas_jax.methods.presets import PlasPreset, plas_over
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import ScorePreset
from plas_jax.methods.settings import Setting, refuse_unknown, set_method, settings_of, sizes_of
from plas_jax.results.folder import output_folder
from plas_jax.results.loggers import loggers_of_flag
from plas_jax.sweeps.flag_values import datasets_of_flag, seeds_of_flags, words

Preset = PlasPreset | ScorePreset


class Request(NamedTuple):
    """Which methods are trained on which data sets with which seeds, and where the results go."""

    preset: Preset
    methods: tuple[Method, ...]  # at the preset's size
    datasets: tuple[Dataset, ...]
    seeds: tuple[int, ...]
    dynamics: str
    data_dir: str | None
    output: Path
    resume: bool
    # What decides the results of every method: methods may be added to a folder, these may not change.
    arguments: dict[str, object]
    chooses: bool  # whether the value of a swept knob is chosen on further seeds
    q_errors: bool = False  # whether critics are measured beside policies
    log: tuple[str, ...] = ()  # the experiment trackers that are told of every evaluation
    retrain: tuple[str, ...] = ()  # methods whose rows are dropped first
    settings: tuple[Setting, ...] = ()  # what was set of preset and methods, which have it already
    overlap: bool | None = None  # whether evaluations run beside training; None: where there is an accelerator
    dry_run: bool = False  # whether it is only told what would be done
    best_policies: bool = False  # whether the policy of each run's best evaluation is kept, too

    @property
    def selection_seeds(self) -> tuple[int, ...]:
        """Return the seeds on which a knob's value is chosen: as many as are reported, behind them."""
        return tuple(range(self.seeds[-1] + 1, self.seeds[-1] + 1 + len(self.seeds))) if self.chooses else ()

    def seeds_of(self, method: Method) -> tuple[int, ...]:
        """Return the seeds that a method is trained with: where a knob has several values, those for choosing too."""
        is_choice = any(len(values) > 1 for _, values in method.grid)
        return self.seeds + (self.selection_seeds if is_choice else ())


class TableCommand(NamedTuple):
    """What tells one table command from another."""

    name: str  # of the default folder, too
    preset: Preset
    methods: tuple[Method, ...]
    datasets: tuple[str, ...]  # without --datasets
    # Beside those of every command, what decides the results of all methods.
    arguments: Mapping[str, object] = MappingProxyType({})
    chooses: bool = False


class Place(NamedTuple):
    """Where a sweep plays, finds its data and writes."""

    dynamics: str
    data_dir: str | None
    output: Path
    resume: bool


def plas_sweep(
    name: str, preset: PlasPreset, knob: str, values: tuple[float, ...], datasets: tuple[str, ...]
) -> TableCommand:
    """Return the command of this name that trains PLAS with each of these values of a knob, given by a flag --KNOBs."""
    return TableCommand(name, preset, (plas_over(preset, knob, values),), datasets, {f"{knob}s": list(values)})


def request(flags: FlagValues, command: TableCommand) -> Request:
    """Return the request of these flags. Raises `ValueError` or `OSError`, one line that says which flag is wrong."""
    seeds = seeds_of_flags(flags.seeds, flags.first_seed)
    datasets = datasets_of_flag(flags.datasets, command.datasets)
    place = Place(
        flags.dynamics, flags.data_dir, output_folder(flags.output, f"{command.name}-{flags.preset}"), flags.resume
    )
    names = dict.fromkeys([*METHODS, *(method.name for method in command.methods)])
    settings = settings_of(flags.set, list(names))
    made = request_for(command, place, datasets, seeds, settings)
    return made._replace(
        q_errors=flags.q_errors,
        log=loggers_of_flag(flags.log),
        retrain=_retrained(flags.retrain, made.methods),
        overlap=flags.overlap,
        dry_run=flags.dry_run,
        best_policies=flags.best_policies,
    )


def _retrained(text: str, methods: Sequence[Method]) -> tuple[str, ...]:
    """Return the methods of --retrain. Raises `ValueError`, one line, for one that is not trained."""
    names = [method.name for method in methods]
    retrained = words("--retrain", text, "") if text else []
    for name in retrained:
        if name not in names:
            raise ValueError(f"--retrain={name}: it is {unknown(name, names, 'method of --algorithms')}")
    return tuple(retrained)


def request_for(
    command: TableCommand,
    place: Place,
    datasets: tuple[Dataset, ...],
    seeds: tuple[int, ...],
    settings: tuple[Setting, ...],
) -> Request:
    """Return the request of a command for these data sets and seeds. Raises `ValueError` as `with_settings` does."""
    refuse_impossible((dataset.environment for dataset in datasets), place.dynamics)
    for setting in settings:
        if f"{setting.name}s" in command.arguments:
            raise ValueError(f"--set {setting.path}: its values are those of --{setting.name}s")
    preset, methods = with_settings(command.preset, command.methods, settings)
    shared = {setting.path: setting.text for setting in settings if not setting.method}
    return Request(
        preset=preset,
        methods=methods,
        datasets=datasets,
        seeds=seeds,
        dynamics=place.dynamics,
        data_dir=place.data_dir,
        output=place.output,
        resume=place.resume,
        arguments={
            "preset": command.preset.name,
            "datasets": [dataset.name for dataset in datasets],
            **command.arguments,
            "seeds": list(seeds),
            "dynamics": place.dynamics,
            **({"settings": shared} if shared else {}),
        },
        chooses=command.chooses,
        settings=settings,
    )


def with_settings(
    preset: Preset, methods: Sequence[Method], settings: Sequence[Setting]
) -> tuple[Preset, tuple[Method, ...]]:
    """Return preset and methods with what is set. Raises `ValueError`, one line, for what cannot be."""
    refuse_unknown(settings, methods)
    sizes = sizes_of(settings)
    changed = tuple(set_method(method, settings) for method in methods)
    evaluations = sizes.get("evaluations")
    if isinstance(evaluations, tuple):
        shortest = min(method.phase.updates for method in changed)
        if list(evaluations) != sorted(set(evaluations)) or evaluations[-1] > shortest:
            raise ValueError(f"--set evaluations: they rise, to at most the {shortest:,} updates of a training")
    return preset.with_sizes(sizes), changed
