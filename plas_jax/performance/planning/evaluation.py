"""How long the policies of a planned sweep are evaluated: its control steps at a measured rate."""

from collections.abc import Sequence
from typing import NamedTuple

from plas_jax.sweeps.groups import Group, longest_episode

# docs/performance.md: control steps/s of the d4rl dynamics with a policy of 400-300, on two cores of an AMD EPYC.
_MEASURED_CORES = 2
STEPS_PER_SECOND = {"hopper": 21_978, "walker2d": 17_555, "halfcheetah": 44_260}


class Evaluation(NamedTuple):
    """What a sweep plays, and how long that takes."""

    episodes: int
    steps: int  # if every episode lasts as long as it may
    seconds: float


def rate(environment: str) -> float:
    """Return the control steps/s of one core; of an environment that nobody measured, the slowest of the three."""
    return STEPS_PER_SECOND.get(environment, min(STEPS_PER_SECOND.values())) / _MEASURED_CORES


def evaluation(groups: Sequence[Group], cores: int) -> Evaluation:
    """Count every episode of these groups, and the time of so many cores, each at the measured rate of one."""
    episodes, steps, seconds = 0, 0, 0.0
    for group in groups:
        for dataset in group.datasets:
            walked = group.episodes * longest_episode([dataset], group.protocol.horizon)
            episodes, steps = episodes + group.episodes, steps + walked
            seconds += walked / (rate(dataset.environment.name) * cores)
    return Evaluation(episodes, steps, seconds)
