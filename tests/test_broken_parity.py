"""Updates that are broken on purpose are not the reference implementation's: what parity sees."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
import pytest
from by_subprocess import ROOT

from plas_jax.algorithms import (
    bcq,
    bear,
    bellman,
    brac,
    candidates,
    cloning,
    cql,
    iql,
    offline_td3,
    plas,
    rebrac,
    sac,
    td3_bc,
)
from plas_jax.algorithms.bcq import proposed
from plas_jax.algorithms.cql import conservative_gap
from plas_jax.algorithms.divergences import maximum_mean_discrepancy
from plas_jax.models import cvae
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.verification.parity.golden import read
from plas_jax.verification.parity.updates import TOLERANCE, replay_updates

GOLDEN = ROOT / "tests" / "golden"
PLAS_P, BCQ = (GOLDEN / f"{name}.npz" for name in ("plas_perturbation", "bcq"))


@pytest.fixture
def broken(monkeypatch):
    """The worst error with one function of a module replaced."""

    def replay_broken(path, module, name, replacement):
        monkeypatch.setattr(module, name, replacement)
        # jit would answer for a broken update with the whole one that it has compiled already
        jax.clear_caches()
        return max(replay_updates(read(path)).values())

    yield replay_broken
    jax.clear_caches()


def stale(target, online, polyak):
    """From the parameters before the step, as some ports do."""
    return bellman.polyak_average(target, target, polyak)


def unclipped(state, cvae, observation, draw, latent_limit):
    return proposed(state, cvae, observation, draw, jnp.inf)


def mixed_after_the_maximum(q_values, clip_weight):
    return bellman.soft_clipped(q_values.max(axis=0), clip_weight)


def of_the_smaller(perturbation, state, critics, batch, action, limit):
    action = bcq.perturbed(state, perturbation, batch.observation, action, limit)
    module = TwinCritics(state.sizes, state.architecture.critic_widths)
    return -module.apply(critics, batch.observation, action).min(axis=-1).mean(), None


@pytest.mark.parametrize(
    ("path", "module", "name", "replacement"),
    [
        (PLAS_P, plas, "polyak_average", stale),
        (BCQ, bcq, "polyak_average", stale),
        (PLAS_P, plas, "soft_clipped", lambda q_values, clip_weight: q_values.mean()),
        (PLAS_P, bellman, "bellman_target", lambda reward, bootstrap, value, discount: reward + discount * value),
        (PLAS_P, bellman, "squared_error", lambda q_values, target: jnp.square(q_values - target[:, None]).mean()),
        (PLAS_P, cvae, "evidence_loss", lambda error, divergence: error + divergence),
        (PLAS_P, cvae, "kl_from_standard_normal", lambda posterior, axis: jnp.square(posterior.mean).mean(-1)),
        (BCQ, candidates, "soft_clipped", lambda q_values, clip_weight: q_values.min()),
        (BCQ, bcq, "best_value", mixed_after_the_maximum),
        (BCQ, bcq, "proposed", unclipped),
        (BCQ, bcq, "perturbation_loss", of_the_smaller),
        (BCQ, cvae, "evidence_loss", lambda error, divergence: error + divergence),
    ],
    ids=["stale targets", "BCQ: stale targets", "mean of critics", "no terminals", "mean over critics", "KL unhalved",
         "half a KL", "BCQ: minimum of critics",
         "BCQ: mixed last", "BCQ: latents unclipped", "BCQ: the smaller Q", "BCQ: KL unhalved"],
)  # fmt: skip
def test_a_broken_equation_turns_it_red(broken, path, module, name, replacement):
    assert broken(path, module, name, replacement) > TOLERANCE


def without_importance(candidate_q, log_density, data_q):
    return conservative_gap(candidate_q, jnp.zeros_like(log_density), data_q)


def without_root(kernel, samples, others):
    return jnp.square(maximum_mean_discrepancy(kernel, samples, others))


def averaged(action, data_action):
    return jnp.square(action - data_action).mean(axis=-1)


@pytest.mark.parametrize(
    ("name", "module", "function", "replacement"),
    [
        ("td3", offline_td3, "smoothed", lambda action, draw, std, limit: jnp.clip(action + std * draw, -1, 1)),
        ("td3_bc", td3_bc, "is_due", lambda count, delay: jnp.mod(count + 1, delay) == 0),
        ("rebrac", rebrac, "penalty", averaged),
        ("iql", iql, "cosine_decayed", lambda rate, updates, all_updates: rate),
        ("cql", cql, "conservative_gap", without_importance),
        ("sac_new_critics", sac, "bounded_log_slope", jnp.zeros_like),
        ("bear_new_critics", bear, "maximum_mean_discrepancy", without_root),
        ("brac_p", brac, "within_density", lambda action: jnp.clip(action, -0.99, 0.99)),
        ("brac_v", brac, "keras_adam", partial(optax.adam, eps=1e-2)),
        ("brac_bc", cloning, "keras_adam", partial(optax.adam, eps=1e-2)),
    ],
    ids=["TD3: noise unclipped", "TD3+BC: the policy one update early", "ReBRAC: mean of squares", "IQL: rate kept",
         "CQL: densities left out", "SAC: density before the tanh", "BEAR: discrepancy without root",
         "BRAC-p: other density bound", "BRAC-v: another Adam", "cloning: another Adam"],
)  # fmt: skip
def test_a_broken_line_of_any_method_turns_it_red(broken, name, module, function, replacement):
    assert broken(GOLDEN / f"{name}.npz", module, function, replacement) > TOLERANCE
