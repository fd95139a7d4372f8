"""What a trained run holds, measured on probe rows: it varies less between seeds than a score, and it sees more.

A measure is taken wherever a method has what it needs, and left out (NaN) elsewhere:

- every method: `action_error`, mean |π(s) − a| of the data's actions; `action_size`, mean |π(s)|;
- with a knob `perturbation_limit`: `action_distance`, mean |π(s) − π(s) at a limit of 0|;
- a state with a `cvae` of this project's: `reconstruction_error` and `kl` (equation 4), `cvae_drift`, mean |change of
  the decoder's actions since the first phase|;
- a state whose `critics` and `critic_targets` are `TwinCritics`: `mean_q`; `terminal_q`, where episodes truly ended;
  `td_error`, mean |r + γ min Q(s', π(s')) − Q|; `policy_gain`, mean Q1(s, π(s)) − Q1(s, a); `critics_apart`, mean
  |Q1 − Q2|; `targets_apart`, mean |Q' − Q|.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from plas_jax.algorithms.bellman import bellman_targets
from plas_jax.algorithms.descent import Network
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.cvae import CVAE, kl_from_standard_normal, reconstruction_error
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Transition
from plas_jax.verification.gate.probe_rows import ProbeRows

# A yardstick of its own: with the method's discount a mistaken one would be measured by itself.
DISCOUNT = 0.99
Measures = dict[str, Array]


class Trained(NamedTuple):
    """One run: its state and knobs, the key that sampling policies act with, and the CVAE's parameters before."""

    state: Any
    knobs: Any
    key: chex.Array
    cvae_before: Any = None  # those of the first phase, where that trained a CVAE


def run_measures(algorithm: Algorithm, of: Trained, probe: ProbeRows) -> Measures:
    """Every measure of one run, scalars; pure, so that runs can be batched by `vmap`."""
    action = policy_action(algorithm, of, probe.rows.observation)
    of_actions = _of_actions(algorithm, of, probe.rows, action)
    return of_actions | _of_cvae(of, probe.rows) | _of_critics(algorithm, of, probe, action)


def policy_action(algorithm: Algorithm, of: Trained, observation: Array, knobs: Any = None) -> Array:
    """The action of the trained policy at these states, `[states, action]`, as `Algorithm.act` says it."""
    state, noise = of.state, None
    if algorithm.acting_noise is not None:
        noise = algorithm.acting_noise(of.key, state.architecture, state.sizes, len(observation))
    return algorithm.act(state, observation, noise, of.knobs if knobs is None else knobs)


def critics_of(state: Any) -> TwinCritics | None:
    """The module of the state's critics, or None where they are no `TwinCritics` or have no targets."""
    widths = getattr(state.architecture, "critic_widths", None)
    critics, targets = getattr(state, "critics", None), getattr(state, "critic_targets", None)
    if widths is None or not isinstance(critics, Network) or targets is None:
        return None
    module, sizes = TwinCritics(state.sizes, widths), state.sizes
    inputs = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    expected = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    return module if _shapes(critics.parameters) == _shapes(targets) == _shapes(expected) else None


def _shapes(tree: Any) -> Any:
    return jax.tree.structure(tree), [leaf.shape for leaf in jax.tree.leaves(tree)]


def _apart(of: Trained, first: Array, second: Array) -> Array:
    """Mean absolute difference of actions over their true dimensions."""
    return of.state.sizes.action.mean(jnp.abs(first - second)).mean()


def _of_actions(algorithm: Algorithm, of: Trained, rows: Transition, action: Array) -> Measures:
    found = {"action_error": _apart(of, action, rows.action), "action_size": _apart(of, action, jnp.zeros(()))}
    if "perturbation_limit" in getattr(of.knobs, "_fields", ()):
        unperturbed = policy_action(algorithm, of, rows.observation, of.knobs._replace(perturbation_limit=0.0))
        found["action_distance"] = _apart(of, action, unperturbed)
    return found


def _of_cvae(of: Trained, rows: Transition) -> Measures:
    state = of.state
    width, cvae = getattr(state.architecture, "cvae_width", None), getattr(state, "cvae", None)
    if width is None or cvae is None:
        return {}
    parameters = cvae.parameters if isinstance(cvae, Network) else cvae
    module, noise = CVAE(state.sizes, width), padded_normal(jax.random.key(0), len(rows.reward), state.sizes.latent)
    reconstruction, posterior = module.apply(parameters, rows.observation, rows.action, noise)
    found = {
        "reconstruction_error": reconstruction_error(reconstruction, rows.action, state.sizes.action).mean(),
        "kl": kl_from_standard_normal(posterior, state.sizes.latent).mean(),
    }
    if of.cvae_before is not None:
        now, before = (
            module.apply(each, rows.observation, noise, method=CVAE.decode) for each in (parameters, of.cvae_before)
        )
        found["cvae_drift"] = _apart(of, now, before)
    return found


def _of_critics(algorithm: Algorithm, of: Trained, probe: ProbeRows, action: Array) -> Measures:
    state, rows = of.state, probe.rows
    module = critics_of(state)
    if module is None:
        return {}

    def values(parameters: Any, observation: Array, action: Array) -> Array:
        return module.apply(parameters, observation, action)

    critics = state.critics.parameters
    q = values(critics, rows.observation, rows.action)
    next_q = values(critics, rows.next_observation, policy_action(algorithm, of, rows.next_observation)).min(axis=-1)
    target = bellman_targets(rows, next_q, DISCOUNT)
    of_policy = values(critics, rows.observation, action)
    terminal_q = values(critics, probe.terminal.observation, probe.terminal.action).mean()
    return {
        "mean_q": q.mean(),
        "terminal_q": jnp.where(probe.has_terminals, terminal_q, jnp.nan),
        "td_error": jnp.abs(target[:, None] - q).mean(),
        "policy_gain": (of_policy[:, 0] - q[:, 0]).mean(),
        "critics_apart": jnp.abs(q[:, 0] - q[:, 1]).mean(),
        "targets_apart": jnp.abs(values(state.critic_targets, rows.observation, rows.action) - q).mean(),
    }
