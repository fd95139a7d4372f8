"""Sizes and constants by flag: `[METHOD.][PHASE.]NAME=VALUE`, of the type and among the names that there are.

A knob of a last phase may have several values, all of which are trained.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from plas_jax.files.messages import unknown
from plas_jax.methods.method import BEHAVIOUR, POLICY, Method, Phase, with_fields

Kind = TypeVar("Kind")  # of the constants that depend on the data set
Value = int | float | tuple[int, ...]
Grid = tuple[tuple[str, tuple[float, ...]], ...]  # knobs with the values that are trained

PHASES = (BEHAVIOUR, POLICY)
# What a preset has that decides results, beside what methods have.
OF_PRESETS = ("episodes", "evaluations_in_mean", "rows", "horizon", "evaluations")
# Constants between 0 and 1, in every method that has them.
SHARES = ("clip_weight", "discount", "polyak", "policy_dropout")


class Setting(NamedTuple):
    """One of them as it was written; `method` and `phase` are empty where it is meant for all that have the name."""

    method: str
    phase: str
    name: str
    text: str

    @property
    def path(self) -> str:
        """Return what stands before the equals sign."""
        return ".".join(part for part in (self.method, self.phase, self.name) if part)


def settings_of(texts: Iterable[str], methods: Sequence[str]) -> tuple[Setting, ...]:
    """Return the settings in these texts. Raises `ValueError`, one line, for what is none and for one given twice."""
    settings = [_setting(text, methods) for text in texts]
    paths = [setting.path for setting in settings]
    for path in paths:
        if paths.count(path) > 1:
            raise ValueError(f"--set has {path} twice")
    return tuple(settings)


def _setting(text: str, methods: Sequence[str]) -> Setting:
    path, equals, value = (part.strip() for part in text.partition("="))
    parts = path.split(".")
    if not equals or not value or not all(parts) or len(parts) > 3:
        raise ValueError(f"--set takes [METHOD.][PHASE.]NAME=VALUE, as in plas.policy.updates=200000, not {text!r}")
    *scope, name = parts
    method = next((part for part in scope if part not in PHASES), "")
    phase = next((part for part in scope if part in PHASES), "")
    if scope != [part for part in (method, phase) if part] or (method and method not in methods):
        wrong = next((part for part in scope if part not in (*PHASES, *methods)), path)
        raise ValueError(f"--set {path}: {wrong!r} is {unknown(wrong, [*methods, *PHASES], 'method or phase')}")
    return Setting(method, phase, name, value)


def names_of(method: Method) -> list[str]:
    """Return what can be set of a method."""
    phases = [phase for phase in (method.first, method.phase) if phase is not None]
    fields = [name for phase in phases for name in (*phase.architecture._fields, *phase.knobs._fields)]
    return list(dict.fromkeys(["updates", *fields]))


def refuse_unknown(settings: Sequence[Setting], methods: Sequence[Method]) -> None:
    """Raise `ValueError`, one line that has the nearest name, for a setting that nothing has."""
    for setting in settings:
        if _is_of_preset(setting):
            continue
        given = [method for method in methods if setting.method in ("", method.name)]
        if not given:
            trained = ", ".join(method.name for method in methods)
            raise ValueError(f"--set {setting.path}: {setting.method} is not trained here; there are {trained}")
        known = list(dict.fromkeys(name for method in given for name in names_of(method)))
        if not any(_has(phase, setting.name) for method in given for phase in _meant(method, setting)):
            known += [] if setting.method else list(OF_PRESETS)
            where = setting.method or "what is trained"
            phase = f" in its {setting.phase} phase" if setting.phase else ""
            raise ValueError(f"--set {setting.path}: {where} has{phase} {unknown(setting.name, known, 'such name')}")


def _is_of_preset(setting: Setting) -> bool:
    return setting.name in OF_PRESETS and not setting.method and not setting.phase


def _meant(method: Method, setting: Setting) -> list[Phase]:
    if setting.method not in ("", method.name):
        return []
    phases = {BEHAVIOUR: method.first, POLICY: method.phase}
    return [phase for name, phase in phases.items() if phase is not None and setting.phase in ("", name)]


def _has(phase: Phase, name: str) -> bool:
    return name == "updates" or name in phase.architecture._fields or name in phase.knobs._fields


def sizes_of(settings: Sequence[Setting]) -> dict[str, Value]:
    """Return those that are a preset's, by name. Raises `ValueError`, one line, for a value that cannot be."""
    return {
        setting.name: _parsed(setting, (1,) if setting.name == "evaluations" else 1)
        for setting in settings
        if _is_of_preset(setting)
    }


def set_method(method: Method, settings: Sequence[Setting]) -> Method:
    """Return a method with those settings that are meant for it.

    What depends on the data set gives way to what is set. Raises `ValueError` as `sizes_of` does.
    """
    for setting in settings:
        meant = _meant(method, setting) if not _is_of_preset(setting) else []
        if method.phase in meant and _is_swept(method, setting):
            method = swept(method, ((setting.name, _numbers(setting)),))
            continue
        phases = {phase: _set(phase, setting) for phase in meant if _has(phase, setting.name)}
        method = method.changed(lambda phase, phases=phases: phases.get(phase, phase))
        if phases:
            method = method._replace(
                knobs_of=_without(method.knobs_of, setting.name), shapes_of=_without(method.shapes_of, setting.name)
            )
    return method


def swept(method: Method, grid: Grid) -> Method:
    """Return the method with these values for its knobs, instead of its own grid's where that has the same.

    Raises `ValueError`, one line, for a knob that it does not have.
    """
    known = method.phase.knobs._fields
    for name, _ in grid:
        if name not in known:
            raise ValueError(f"{method.name} has {unknown(name, known, f'knob {name!r}')}")
    given = {name for name, _ in grid}
    return method._replace(grid=(*(axis for axis in method.grid if axis[0] not in given), *grid))


def _is_swept(method: Method, setting: Setting) -> bool:
    """Return whether a setting has several values of a knob, or one of a knob that had several."""
    is_knob = setting.name in method.phase.knobs._fields
    return is_knob and ("," in setting.text or setting.name in dict(method.grid))


def _numbers(setting: Setting) -> tuple[float, ...]:
    """Return the values of a swept knob."""
    numbers = tuple(_number(setting, text) for text in setting.text.split(","))
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"--set {setting.path} has a value twice: {setting.text!r}")
    return numbers


def _number(setting: Setting, text: str) -> float:
    """Return one value of a knob."""
    is_share = setting.name in SHARES
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (is_share and not 0 <= number <= 1):
        kind = "a number from 0 to 1" if is_share else "a finite number"
        raise ValueError(f"--set {setting.path} takes {kind}, not {text!r}")
    return number


def _without(of_dataset: Callable[[str], Mapping[str, Kind]], name: str) -> Callable[[str], Mapping[str, Kind]]:
    return lambda dataset: {key: value for key, value in of_dataset(dataset).items() if key != name}


def _set(phase: Phase, setting: Setting) -> Phase:
    name = setting.name
    if name == "updates":
        return phase._replace(updates=int(_parsed(setting, phase.updates)))  # type: ignore[arg-type]
    if name in phase.architecture._fields:
        value = _parsed(setting, getattr(phase.architecture, name))
        return phase._replace(architecture=with_fields(phase.architecture, {name: value}))
    return phase._replace(knobs=with_fields(phase.knobs, {name: _number(setting, setting.text)}))


def _parsed(setting: Setting, example: object) -> Value:
    """Return a setting's value, of the type that the value it replaces has."""
    if isinstance(example, float):
        return _number(setting, setting.text)
    is_one = isinstance(example, int)
    try:
        values = tuple(int(word) for word in setting.text.split(","))
        if min(values) >= 1 and not (is_one and len(values) > 1):
            return values[0] if is_one else values
    except ValueError:
        pass
    kind = "a whole number of at least 1" if is_one else "whole numbers of at least 1, commas between them"
    raise ValueError(f"--set {setting.path} takes {kind}, not {setting.text!r}")
