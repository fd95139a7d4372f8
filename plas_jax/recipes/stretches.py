"""What a recipe is made of: stretches of rows, each acted by one behaviour."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import Dataset, parts
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, load_policies, shipped
from plas_jax.recipes.given_policy import GivenPolicy
from plas_jax.recipes.rollout import Behaviour, Columns, Series, roll_out, stream

# D4RL's v0 file of this name: 1,000,000 rows of expert, then all 200,919 of medium-replay (D4RL#19).
SHARES = {"medium-expert-a": (1_000_000, 200_919)}


class Stretch(NamedTuple):
    """Rows that one behaviour acts: what seeds them, and their part of the recipe's rows."""

    behaviour: Behaviour
    stream: int  # its episodes are those of every recipe with a stretch of this stream
    share: float


def _uniform(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return generator.uniform(-1.0, 1.0, shape)


UNIFORM = Behaviour(noise=_uniform, act=lambda observation, noise: noise.astype(np.float32))


def sampled(policy: BehaviourPolicy | GivenPolicy) -> Behaviour:
    """Return the behaviour that samples a policy: its actions with standard normal noise."""
    return Behaviour(lambda generator, shape: generator.standard_normal(shape), policy.sample)


def weights_of(dataset: Dataset, folder: Path) -> list[Path]:
    """List the files of policies that a recipe samples from; `FileNotFoundError` for one that is missing."""
    paths = []
    for part in parts(dataset):
        if part.environment.family == "antmaze":
            paths.append(folder / "ant.npz")
        elif part.level != "random" and part.environment.family == "locomotion":
            paths.append(shipped(part.environment.name, "expert" if part.level == "expert" else "medium", folder))
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{dataset.name}: the policy's weights {path} are missing")
    return paths


def stretches(dataset: Dataset, folder: Path) -> list[Stretch]:
    """Return the stretches of a recipe, whose policies lie in `folder`; shares sum to 1."""
    mixed = parts(dataset)
    if len(mixed) > 1:
        weights = SHARES.get(dataset.level, (1,) * len(mixed))
        return [
            stretch._replace(share=stretch.share * weight / sum(weights))
            for part, weight in zip(mixed, weights, strict=True)
            for stretch in stretches(part, folder)
        ]
    if dataset.level == "random":
        return [Stretch(UNIFORM, stream(dataset.name), 1.0)]
    policies, provenance = load_policies(weights_of(dataset, folder)[0])
    if dataset.level == "medium-replay":
        return _replay(dataset, policies, provenance["steps"])
    return [Stretch(sampled(policies[-1]), stream(dataset.name), 1.0)]


def _replay(dataset: Dataset, policies: Sequence[BehaviourPolicy], steps: Sequence[int]) -> list[Stretch]:
    """Retrace the run that led to the medium policy: uniform actions to its first snapshot, then each to the next."""
    behaviours = [UNIFORM, *(sampled(policy) for policy in policies[:-1])]
    return [
        Stretch(behaviour, stream(f"{dataset.name}/{rung}"), (last - first) / steps[-1])
        for rung, (behaviour, (first, last)) in enumerate(zip(behaviours, pairwise([0, *steps]), strict=True))
    ]


def roll_out_all(
    dataset: Dataset, stretches: Sequence[Stretch], rows: int, seed: int, progress: Callable[[int], None]
) -> Columns:
    """Roll out the rows of a recipe, as columns of D4RL's v2 layout.

    A single stretch has exactly `rows`, its last episode cut. Several have whole episodes: each goes on until the rows
    so far reach its end among `rows`, and has one episode at least.
    """
    environment, horizon = dataset.environment.name, dataset.environment.horizon
    every = [Series(environment, horizon, stretch.behaviour, (seed, stretch.stream)) for stretch in stretches]
    if len(every) == 1:
        return roll_out(every[0], rows, progress)
    rolled: list[Columns] = []
    done, shares = 0, np.cumsum([stretch.share for stretch in stretches])
    for series, share in zip(every, shares, strict=True):
        wanted = max(1, round(rows * float(share)) - done)
        # A horizon more than wanted, so that the episode of the last wanted row ends in it.
        more = roll_out(
            series,
            wanted + horizon - 1,
            lambda fresh, before=done, most=wanted: progress(min(rows, before + min(fresh, most))),
        )
        ends = np.flatnonzero(more["terminals"] | more["timeouts"])
        last = int(ends[ends >= wanted - 1][0]) + 1
        rolled.append({key: values[:last] for key, values in more.items()})
        done += last
    return {key: np.concatenate([columns[key] for columns in rolled]) for key in rolled[0]}
