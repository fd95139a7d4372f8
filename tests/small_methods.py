"""Every method with networks of sixteen units: what a law that all of them obey is tested with."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plas_jax.algorithms import (
    bcq,
    bear,
    behaviour,
    brac,
    cloning,
    cql,
    deterministic_cloning,
    iql,
    offline_td3,
    plas,
    rebrac,
    sac,
    td3_bc,
)
from plas_jax.types import Statistics

BATCH = 16
POLICY, CRITICS = (16, 16), (16,)  # padding touches first and last layers alone; a policy's last may be two


class Case(NamedTuple):
    """A method; `init` takes a key and sizes."""

    algorithm: Any
    init: Any
    knobs: Any


def plain(algorithm, architecture, knobs):
    """A method whose state is made of nothing but a key and sizes."""
    return Case(algorithm, lambda key, sizes: algorithm.init(key, architecture, sizes), knobs)


def informed(algorithm, architecture, knobs):
    """A method that knows its data's statistics, which are 0 and 1 in the padding."""

    def init(key, sizes):
        generator, rest = np.random.default_rng(5), (0, sizes.observation.padded - 11)
        mean = np.pad(generator.normal(size=11), rest)
        std = np.pad(generator.uniform(0.5, 2, 11), rest, constant_values=1)
        return algorithm.init(key, architecture, sizes, Statistics(jnp.asarray(mean), jnp.asarray(std), 400.0))

    return Case(algorithm, init, knobs)


def around_a_cvae(key, sizes):
    """PLAS around the CVAE that the ordinary initialiser makes."""
    key_cvae, key_policy = jax.random.split(key)
    cvae = behaviour.init(key_cvae, behaviour.Architecture(16, BATCH), sizes).cvae.parameters
    return plas.init(key_policy, plas.Architecture(POLICY, CRITICS, 16, BATCH), sizes, cvae)


def around_a_clone(key, sizes):
    """BRAC around a model of the behaviour that the ordinary initialiser makes."""
    key_behaviour, key_policy = jax.random.split(key)
    behaviour_policy = cloning.init(key_behaviour, cloning.Architecture(POLICY, BATCH), sizes).policy.parameters
    return brac.init(key_policy, brac.Architecture(POLICY, CRITICS, BATCH), sizes, behaviour_policy)


# Published constants but for counts of updates, that both sides of them are seen, and for rates that move a policy.
BRAC_KNOBS = brac.Knobs(warm_start=20, policy_learning_rate=3e-4)
CASES = {
    "behaviour": plain(behaviour.BEHAVIOUR, behaviour.Architecture(16, BATCH), behaviour.Knobs(1e-3)),
    "plas": Case(plas.PLAS, around_a_cvae, plas.Knobs(0.05, 0.5, 0.75, 0.99, 0.005, 1e-3, 1e-3)),
    "bc": plain(cloning.CLONING, cloning.Architecture(POLICY, BATCH), cloning.Knobs()),
    "bc_regression": informed(
        deterministic_cloning.DETERMINISTIC_CLONING,
        deterministic_cloning.Architecture(POLICY, BATCH),
        deterministic_cloning.Knobs(),
    ),
    "td3": plain(offline_td3.OFFLINE_TD3, offline_td3.Architecture(POLICY, CRITICS, BATCH), offline_td3.Knobs()),
    "sac": plain(sac.SAC, sac.Architecture(POLICY, CRITICS, BATCH), sac.Knobs()),
    "bcq": plain(bcq.BCQ, bcq.Architecture(POLICY, CRITICS, 16, BATCH, 3, 5), bcq.Knobs()),
    "bear": plain(
        # The Laplacian kernel, which has corners at zero; test_divergences.py has both.
        bear.BEAR,
        bear.Architecture(POLICY, CRITICS, 16, BATCH, 3, 5),
        bear.Knobs(warm_up=25.0, policy_learning_rate=1e-3),
    ),
    "brac_v": Case(brac.BRAC, around_a_clone, BRAC_KNOBS),
    "brac_p": Case(brac.BRAC, around_a_clone, BRAC_KNOBS._replace(value_penalty=0.0)),
    "td3+bc": informed(td3_bc.TD3_BC, td3_bc.Architecture(POLICY, CRITICS, BATCH), td3_bc.Knobs()),
    "cql": informed(cql.CQL, cql.Architecture(POLICY, CRITICS, 3, BATCH), cql.Knobs(policy_learning_rate=3e-4)),
    "cql of a maze": informed(
        cql.CQL,
        cql.Architecture(POLICY, (*CRITICS, *CRITICS), 3, BATCH, backup_candidates=2),
        cql.Knobs(
            gap_threshold=0.8, smallest_gap=-200.0, normalises_observations=0.0, reward_scale=10.0, reward_shift=-5.0
        ),
    ),
    "iql with dropout": informed(
        iql.IQL,
        iql.Architecture(POLICY, CRITICS, CRITICS, BATCH, policy_dropout=0.3),
        iql.Knobs(policy_updates=100),
    ),
    "iql": informed(iql.IQL, iql.Architecture(POLICY, CRITICS, CRITICS, BATCH), iql.Knobs(policy_updates=100)),
    "rebrac": plain(rebrac.REBRAC, rebrac.Architecture(POLICY, CRITICS, BATCH), rebrac.Knobs()),
}
each_method = pytest.mark.parametrize("name", CASES)
