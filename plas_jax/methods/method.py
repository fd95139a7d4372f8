"""What a method is beyond its functions: the trainings it consists of, its constants, and what it asks of the data."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from plas_jax.types import Algorithm, Parameters, Sizes, State, Statistics

BEHAVIOUR, POLICY = "behaviour", "policy"  # what a method's first phase, and its last, is called
Record = TypeVar("Record", bound=NamedTuple)  # a method's architecture or its knobs


class Source(NamedTuple):
    """The Python file that a method of one's own comes from, as it was when it was read."""

    path: str
    text: str

    @property
    def sha256(self) -> str:
        """Return the hash of its text in UTF-8, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class Phase(NamedTuple):
    """One training: an algorithm, the shapes and constants it trains with, and for how long."""

    algorithm: Algorithm
    architecture: NamedTuple  # hashable: what changes shapes
    knobs: NamedTuple  # of scalars: what may be swept
    updates: int
    trains: str = "policies"  # what a user watches being trained


def _nothing(dataset: str) -> Mapping[str, float]:
    return {}


def _none(dataset: str) -> tuple[str, ...]:
    return ()


class Method(NamedTuple):
    """A column of a table: what is trained, in one phase or in two, and what it needs.

    The phase's `init` takes a key, the architecture and the sizes; behind these what `inherit` makes of the first
    phase's state, where there is one; behind that the data set's statistics, where the method asks for them.
    """

    name: str  # as in results.csv
    phase: Phase
    first: Phase | None = None  # trained before it, on the same data: PLAS's CVAE, BRAC's model of the behaviour
    inherit: Callable[..., Parameters] | None = None  # the first phase's state to what the second is built around
    # Who acts with what the first phase trained, by name, evaluated as often as a policy's score takes.
    controls: tuple[tuple[str, Algorithm], ...] = ()
    knobs_of: Callable[[str], Mapping[str, float]] = _nothing  # constants that depend on the data set's name
    shapes_of: Callable[[str], Mapping[str, object]] = _nothing  # shapes that do
    unpublished_of: Callable[[str], tuple[str, ...]] = _none  # knobs published for other data sets than this
    uses_statistics: bool = False
    uses_next_actions: bool = False
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()  # knobs with several values, all of which are trained
    source: Source | None = None  # None for the project's own

    def changed(self, change: Callable[[Phase], Phase]) -> "Method":
        """Return the method with both of its phases changed."""
        return self._replace(phase=change(self.phase), first=None if self.first is None else change(self.first))

    def for_dataset(self, dataset: str) -> "Method":
        """Return the method with the constants and shapes of a data set named as D4RL does."""
        shaped = self.with_shapes_of(dataset)
        return shaped.changed(lambda phase: phase._replace(knobs=self.run_knobs(phase, dataset)))

    def with_shapes_of(self, dataset: str) -> "Method":
        """Return the method with the shapes of a data set, but with the knobs of none."""
        shapes = self.shapes_of(dataset)
        return self.changed(lambda phase: phase._replace(architecture=with_fields(phase.architecture, shapes)))

    def run_knobs(self, phase: Phase, dataset: str, swept: Iterable[tuple[str, float]] = ()) -> NamedTuple:
        """Return the knobs of one run: a phase's, with those of its data set, with those that are swept."""
        return with_fields(phase.knobs, {**self.knobs_of(dataset), **dict(swept)})

    def inputs(self, sizes: Sizes, first_state: State | None, statistics: Statistics | None) -> tuple[object, ...]:
        """Return what the last phase's `init` takes behind the architecture, of what there is to give."""
        inherited = () if self.inherit is None else (self.inherit(first_state),)
        return (sizes, *inherited, *((statistics,) if self.uses_statistics else ()))


def with_fields(record: Record, values: Mapping[str, object]) -> Record:
    """Return a NamedTuple with those of the values that it has a field for."""
    return record._replace(**{name: value for name, value in values.items() if name in record._fields})


def discount_of(knobs: NamedTuple) -> float:
    """Return a method's own γ, and 0.99 where it names none."""
    return float(getattr(knobs, "discount", 0.99))


def plain(constants: NamedTuple) -> dict[str, object]:
    """Return a NamedTuple as JSON gives it back: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in constants._asdict().items()}


def ending_at(evaluations: Iterable[int], updates: int) -> tuple[int, ...]:
    """Return those evaluations that come before the end of a training, and one at it."""
    return (*(each for each in evaluations if each < updates), updates)


class EvaluationProtocol(NamedTuple):
    """When and how the policies of every method are evaluated, and which of the evaluations a score is made of."""

    evaluations: tuple[int, ...]  # the updates at which
    episodes: int  # per evaluation
    evaluations_in_mean: int  # the reported score is the mean over this many last evaluations
    horizon: int | None = None  # of an evaluation's episodes; None for the environment's own
    antmaze_episodes: int | None = None  # instead of `episodes` there, where each has a score of 0 or 100

    def of_family(self, family: str) -> "EvaluationProtocol":
        """Return the protocol in environments of one family."""
        few = family != "antmaze" or self.antmaze_episodes is None
        return self if few else self._replace(episodes=self.antmaze_episodes)  # type: ignore[arg-type]

    @property
    def last(self) -> tuple[int, ...]:
        """Return the updates of those evaluations that a score is made of."""
        return self.evaluations[-self.evaluations_in_mean :]
