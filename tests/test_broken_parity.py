"""Updates that are broken on purpose are not the reference implementation's: what parity sees."""

import jax
import jax.numpy as jnp
import pytest
from by_subprocess import ROOT
from small_runs import quickly_compiled

from plas_jax.algorithms import bcq, bellman, candidates, plas
from plas_jax.algorithms.bcq import proposed
from plas_jax.models import cvae
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.verification.parity.golden import read
from plas_jax.verification.parity.updates import TOLERANCE, replay_updates

PLAS_P, BCQ = (ROOT / "tests" / "golden" / f"{name}.npz" for name in ("plas_perturbation", "bcq"))


@pytest.fixture
def broken(monkeypatch):
    """The worst error with one function of a module replaced."""

    def replay_broken(path, module, name, replacement):
        monkeypatch.setattr(module, name, replacement)
        monkeypatch.setattr(jax, "jit", quickly_compiled)
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
