"""Data of Adroit's hand from what a user has: a policy of their own, or demonstrations.

This project ships neither. `expert`: a policy's noisy actions, which is what D4RL's files hold (its
`hand_dapg_policies.py:96-97`). `cloned`: half rollouts of a policy that is cloned from the demonstrations, half the
demonstrations themselves, over and over, as D4RL's.
"""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from plas_jax.algorithms import deterministic_cloning
from plas_jax.algorithms.draws import STD_OFFSET
from plas_jax.datasets import d4rl_files
from plas_jax.datasets.catalogue import Dataset, Environment
from plas_jax.datasets.recordings import Recording
from plas_jax.datasets.statistics import statistics
from plas_jax.datasets.transitions import describe, qlearning_transitions
from plas_jax.recipes.behaviour_policy import BehaviourPolicy, layers_of
from plas_jax.recipes.given_policy import read_policy
from plas_jax.recipes.rollout import Behaviour, Columns, stream
from plas_jax.recipes.stretches import Stretch, roll_out_all, sampled
from plas_jax.types import Array, Sizes, Transition

UPDATES = 10_000  # of the policy that is cloned, a choice of ours
ARCHITECTURE, KNOBS = deterministic_cloning.Architecture(), deterministic_cloning.Knobs()
NEEDED = {"expert": "--policy=FILE.npz", "cloned": "--demonstrations=FILE.hdf5"}


def ask_for(dataset: Dataset) -> ValueError:
    """Return what a recipe lacks that only its user has, one line."""
    flag = NEEDED[dataset.level]
    return ValueError(
        f"{dataset.name} is made of what you have: python -m plas_jax.datasets make {dataset.name} {flag}"
    )


def expert(dataset: Dataset, policy: Path, rows: int, seed: int, progress: Callable[[int], None]) -> Columns:
    """Roll out the policy in a file. Raises `ValueError` and `OSError` as `read_policy` does."""
    noisy = sampled(read_policy(policy, dataset.environment))
    return roll_out_all(dataset, [Stretch(noisy, stream(dataset.name), 1.0)], rows, seed, progress)


def cloned(dataset: Dataset, demonstrations: Path, rows: int, seed: int, progress: Callable[[int], None]) -> Columns:
    """Return rollouts of a clone, then demonstrations. Raises `ValueError`, one line, for a file that is of no use."""
    environment = dataset.environment
    shown = d4rl_files.read(demonstrations, environment)
    if shown.timeouts is None and not shown.terminals.any():
        raise ValueError(f"{demonstrations}: neither timeouts nor terminals say where a demonstration ends")
    half = rows - rows // 2
    clone = Behaviour(lambda generator, shape: np.zeros(shape), clone_of(shown, environment, seed).sample)
    rolled = roll_out_all(dataset, [Stretch(clone, stream(dataset.name), 1.0)], half, seed, progress)
    rolled["timeouts"][-1] = True  # no transition leads from a rollout to a demonstration
    repeated = _repeated(shown, rows - half)
    progress(rows)
    return {key: np.concatenate([rolled[key], repeated[key]]) for key in Recording._fields}


def _repeated(shown: Recording, rows: int) -> Columns:
    """Return the recording over and over until there are `rows`, its last copy cut and flagged there."""
    place = np.arange(rows) % len(shown.rewards)
    timeouts = np.zeros(len(shown.rewards), bool) if shown.timeouts is None else shown.timeouts
    columns = {**shown._asdict(), "timeouts": timeouts}
    repeated: Columns = {key: values[place] for key, values in columns.items()}
    copies = place == len(shown.rewards) - 1  # the last row of a file may lack its flag
    repeated["timeouts"] |= (copies | (np.arange(rows) == rows - 1)) & ~repeated["terminals"]
    return repeated


def clone_of(shown: Recording, environment: Environment, seed: int) -> BehaviourPolicy:
    """Return the regression of a recording's actions on its observations, as a policy in numpy without noise."""
    transitions = qlearning_transitions(shown, environment.horizon)
    sizes = Sizes.of(shown.observations.shape[1], shown.actions.shape[1])
    known = statistics(transitions, describe(shown, environment).returns)
    key = jax.random.key(seed)
    state = deterministic_cloning.init(jax.random.fold_in(key, 0), ARCHITECTURE, sizes, known)
    state = _trained(state, transitions, jax.random.fold_in(key, 1), UPDATES)
    return _in_numpy(state)


@jax.jit
def _trained(
    state: deterministic_cloning.State, rows: Transition, key: Array, updates: int
) -> deterministic_cloning.State:
    def one(number: Array, now: deterministic_cloning.State) -> deterministic_cloning.State:
        index = jax.random.randint(jax.random.fold_in(key, number), (ARCHITECTURE.batch_size,), 0, len(rows.reward))
        batch = jax.tree.map(lambda column: column[index], rows)
        return deterministic_cloning.update(now, batch, None, KNOBS)[0]

    return jax.lax.fori_loop(0, updates, one, state)


def _in_numpy(state: deterministic_cloning.State) -> BehaviourPolicy:
    """Return the policy with the normalisation of observations folded into its first layer."""
    (kernel, bias), *between, mean = layers_of(state.policy.parameters["params"]["Perceptron_0"])
    folded = kernel / (np.asarray(state.observation_std, float) + STD_OFFSET)[:, None]
    first = folded, bias - np.asarray(state.observation_mean, float) @ folded
    return BehaviourPolicy((first, *between), mean, (np.zeros_like(mean[0]), np.zeros_like(mean[1])))


def constants() -> dict[str, object]:
    """Return what decides a clone beside its demonstrations."""
    return {**ARCHITECTURE._asdict(), **KNOBS._asdict(), "updates": UPDATES}
