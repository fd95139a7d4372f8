"""The sizes at which Tables 2 and 3 are made: as published, or scaled down by one rule for every method alike."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from plas_jax.methods.method import EvaluationProtocol, Method, Phase, Record, ending_at, with_fields
from plas_jax.methods.presets import every
from plas_jax.methods.settings import Value

# Knobs that count updates: they keep their share of a training that is made shorter.
SCHEDULES = ("warm_up", "warm_start", "policy_updates")


class Scale(NamedTuple):
    """What a training is scaled down to. Depths, sampled counts and every other constant stay as published."""

    width: int  # of every layer of policies, critics and values
    cvae_width: int
    batch_size: int
    updates: int  # of each phase
    lowest_learning_rate: float
    lowest_polyak: float


class ScorePreset(NamedTuple):
    """How long and how wide, on how many rows, evaluated how."""

    name: str
    scale: Scale | None  # None: as published
    evaluations: Callable[[int], tuple[int, ...]]  # the updates at which, of a training of so many
    episodes: int
    evaluations_in_mean: int
    rows: int | None  # of a recipe data set, None for those of D4RL's file; files are taken whole
    horizon: int | None = None
    antmaze_episodes: int | None = None  # instead of `episodes` there

    def method(self, published: Method) -> Method:
        """Return a method at this size."""
        if self.scale is None:
            return published
        scale = self.scale
        return published.changed(lambda phase: scaled(phase, scale))._replace(
            shapes_of=lambda dataset: _narrowed(published.shapes_of(dataset), scale),
            knobs_of=lambda dataset: _hastened(published.knobs_of(dataset), scale),
        )

    def with_sizes(self, sizes: Mapping[str, Value]) -> "ScorePreset":
        """Return the preset with other sizes, by the names of its fields."""
        values: dict[str, object] = dict(sizes)
        if "evaluations" in sizes:
            values["evaluations"] = lambda updates: sizes["evaluations"]
        if "episodes" in sizes:
            values["antmaze_episodes"] = None
        return self._replace(**values)  # type: ignore[arg-type]

    def protocol(self, method: Method) -> EvaluationProtocol:
        """Return how a method of this size is evaluated."""
        updates = method.phase.updates
        return EvaluationProtocol(
            ending_at(self.evaluations(updates), updates),
            self.episodes,
            self.evaluations_in_mean,
            self.horizon,
            self.antmaze_episodes,
        )


def scaled(phase: Phase, scale: Scale) -> Phase:
    """Return a training scaled down."""
    return phase._replace(
        architecture=_narrow(phase.architecture, scale),
        knobs=_in_proportion(with_fields(phase.knobs, _hastened(phase.knobs._asdict(), scale)), scale, phase.updates),
        updates=scale.updates,
    )


def _narrow(architecture: Record, scale: Scale) -> Record:
    return with_fields(architecture, _narrowed(architecture._asdict(), scale))


def _narrowed(shapes: Mapping[str, Any], scale: Scale) -> dict[str, object]:
    """Return shapes at this size, by name; depths and counts are as they were."""
    sizes = {"cvae_width": scale.cvae_width, "batch_size": scale.batch_size}
    widths = {name: (scale.width,) * len(layers) for name, layers in shapes.items() if name.endswith("_widths")}
    return {name: sizes.get(name, widths.get(name, value)) for name, value in shapes.items()}


def _hastened(knobs: Mapping[str, float], scale: Scale) -> dict[str, float]:
    lowest = {name: scale.lowest_learning_rate for name in knobs if name.endswith("learning_rate")}
    lowest["polyak"] = scale.lowest_polyak
    return {name: max(value, lowest.get(name, value)) for name, value in knobs.items()}


def _in_proportion(knobs: Record, scale: Scale, updates: int) -> Record:
    values = knobs._asdict()
    return knobs._replace(**{name: values[name] * (scale.updates / updates) for name in SCHEDULES if name in values})


# Section 5 of the paper: every 1000 updates, ten episodes; we report the mean over the last ten evaluations. In AntMaze
# the field plays a hundred (IQL's README.md, CORL's configurations): an episode there is lost or won.
PAPER = ScorePreset(
    "paper", None, partial(every, 1000), episodes=10, evaluations_in_mean=10, rows=None, antmaze_episodes=100
)

# This project's own: fourteen methods on nine data sets with three seeds in hours on two cores. A training has a sixth
# to a twentieth of the published updates, so what is slow is hastened, for every method by the same rule:
# - no learning rate is below 3e-4, which the paper itself takes for its short robot training (appendix A) and which
#   changes BRAC's and CQL's policy (3e-5), BEAR's and PLAS's policy and PLAS's CVAE (1e-4);
# - τ is 0.01: with the usual 0.005 values travel about five control steps in a thousand updates.
# In AntMaze the three evaluations of a score have 102 episodes together: a hundred in each would take hours.
LAPTOP = ScorePreset(
    "laptop",
    Scale(width=64, cvae_width=128, batch_size=64, updates=50_000, lowest_learning_rate=3e-4, lowest_polyak=0.01),
    lambda updates: tuple(updates * share // 20 for share in (4, 8, 12, 16, 18, 20)),
    episodes=10,
    evaluations_in_mean=3,
    rows=None,
    antmaze_episodes=34,
)

# This project's own: every part of the program in seconds, for tests. Its scores mean nothing.
SMOKE = ScorePreset(
    "smoke",
    Scale(width=16, cvae_width=16, batch_size=32, updates=40, lowest_learning_rate=1e-3, lowest_polyak=0.005),
    partial(every, 20),
    episodes=1,
    evaluations_in_mean=2,
    rows=1_000,
    horizon=100,
)

# This project's own: four methods on three data sets with ten seeds in about a minute on two cores, for the gate. Rates
# are large, so that as much as possible of what a training can do wrong shows in so few updates.
GATE = ScorePreset(
    "gate",
    Scale(width=64, cvae_width=64, batch_size=64, updates=1_500, lowest_learning_rate=1e-3, lowest_polyak=0.02),
    lambda updates: (updates,),
    episodes=3,
    evaluations_in_mean=1,
    rows=20_000,
)

SCORE_PRESETS = {preset.name: preset for preset in (SMOKE, LAPTOP, PAPER)}
