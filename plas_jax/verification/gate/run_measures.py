"""What a trained run holds, measured on probe rows: it varies less between seeds than a score, and it sees more.

A measure is taken wherever a method has what it needs, and left out (NaN) elsewhere, as `unmeasured.py` tells a user:

- every method: `action_error`, mean |π(s) − a| of the data's actions; `action_size`, mean |π(s)|;
- with a knob `perturbation_limit`: `action_distance`, mean |π(s) − π(s) at a limit of 0|;
- a state with a `cvae` of this project's: `reconstruction_error` and `kl` (equation 4), `cvae_drift`, mean |change of
  the decoder's actions since the first phase|;
- a state whose `critics` and `critic_targets` are `TwinCritics`: `mean_q`; `terminal_q`, where episodes truly ended;
  `td_error`, mean |r + γ min Q(s', π(s')) − Q|; `policy_gain`, mean Q1(s, π(s)) − Q1(s, a); `critics_apart`, mean
  |Q1 − Q2|; `targets_apart`, mean |Q' − Q|.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from plas_jax.algorithms.bellman import bellman_targets
from plas_jax.algorithms.descent import Network, parameters_of
from plas_jax.algorithms.draws import padded_normal
from plas_jax.evaluation.probe_rows import ProbeRows
from plas_jax.models.cvae import CVAE, kl_from_standard_normal, reconstruction_error
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.training.acting import actions_of
from plas_jax.types import Algorithm, Array, Parameters, State, Transition

# A yardstick of its own: with the method's discount a mistaken one would be measured by itself.
DISCOUNT = 0.99
Measures = dict[str, Array]


class Trained(NamedTuple):
    """One run: its state and knobs, the key that sampling policies act with, and the CVAE's parameters before."""

    state: State
    knobs: NamedTuple
    key: chex.Array
    cvae_before: Parameters = None  # those of the first phase, where that trained a CVAE


class Critics(NamedTuple):
    """A run's critics with their targets' parameters."""

    module: TwinCritics
    parameters: Parameters
    targets: Parameters

    def values(self, observation: Array, action: Array) -> Array:
        """Return both critics' values of these actions, `[states, 2]`."""
        return self.module.apply(self.parameters, observation, action)


def run_measures(algorithm: Algorithm, run: Trained, probe: ProbeRows) -> Measures:
    """Return every measure of one run, scalars; pure, so that runs can be batched by `vmap`."""
    action = policy_action(algorithm, run, probe.rows.observation)
    action_measures = _action_measures(algorithm, run, probe.rows, action)
    return action_measures | _cvae_measures(run, probe.rows) | _critic_measures(algorithm, run, probe, action)


def policy_action(algorithm: Algorithm, run: Trained, observation: Array) -> Array:
    """Return the trained policy's action at these states, `[states, action]`, as `Algorithm.act` says it."""
    return actions_of(algorithm, run.state, observation, run.key, run.knobs)


def critics_of(state: State) -> Critics | None:
    """Return the state's critics, or None where they are no `TwinCritics` or have no targets."""
    widths = getattr(state.architecture, "critic_widths", None)
    critics, targets = getattr(state, "critics", None), getattr(state, "critic_targets", None)
    if widths is None or not isinstance(critics, Network) or targets is None:
        return None
    module, sizes = TwinCritics(state.sizes, widths), state.sizes
    inputs = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    expected = jax.eval_shape(module.init, jax.random.key(0), *inputs)
    is_twin = _shapes(critics.parameters) == _shapes(targets) == _shapes(expected)
    return Critics(module, critics.parameters, targets) if is_twin else None


def _shapes(tree: Parameters) -> tuple[object, list[tuple[int, ...]]]:
    return jax.tree.structure(tree), [leaf.shape for leaf in jax.tree.leaves(tree)]


def _apart(run: Trained, first: Array, second: Array) -> Array:
    """Return the mean absolute difference of actions over their true dimensions."""
    return run.state.sizes.action.mean(jnp.abs(first - second)).mean()


def _action_measures(algorithm: Algorithm, run: Trained, rows: Transition, action: Array) -> Measures:
    measures = {"action_error": _apart(run, action, rows.action), "action_size": _apart(run, action, jnp.zeros(()))}
    if "perturbation_limit" in getattr(run.knobs, "_fields", ()):
        at_zero = run._replace(knobs=run.knobs._replace(perturbation_limit=0.0))
        unperturbed = policy_action(algorithm, at_zero, rows.observation)
        measures["action_distance"] = _apart(run, action, unperturbed)
    return measures


def _cvae_measures(run: Trained, rows: Transition) -> Measures:
    state = run.state
    width, cvae = getattr(state.architecture, "cvae_width", None), getattr(state, "cvae", None)
    if width is None or cvae is None:
        return {}
    parameters = parameters_of(cvae)
    module, noise = CVAE(state.sizes, width), padded_normal(jax.random.key(0), len(rows.reward), state.sizes.latent)
    reconstruction, posterior = module.apply(parameters, rows.observation, rows.action, noise)
    measures = {
        "reconstruction_error": reconstruction_error(reconstruction, rows.action, state.sizes.action).mean(),
        "kl": kl_from_standard_normal(posterior, state.sizes.latent).mean(),
    }
    if run.cvae_before is not None:
        now, before = (
            module.apply(each, rows.observation, noise, method=CVAE.decode) for each in (parameters, run.cvae_before)
        )
        measures["cvae_drift"] = _apart(run, now, before)
    return measures


def _critic_measures(algorithm: Algorithm, run: Trained, probe: ProbeRows, action: Array) -> Measures:
    critics, rows = critics_of(run.state), probe.rows
    if critics is None:
        return {}
    q = critics.values(rows.observation, rows.action)
    next_action = policy_action(algorithm, run, rows.next_observation)
    target = bellman_targets(rows, critics.values(rows.next_observation, next_action).min(axis=-1), DISCOUNT)
    policy_q = critics.values(rows.observation, action)
    target_q = critics.module.apply(critics.targets, rows.observation, rows.action)
    terminal_q = critics.values(probe.terminal.observation, probe.terminal.action).mean()
    return {
        "mean_q": q.mean(),
        "terminal_q": jnp.where(probe.has_terminals, terminal_q, jnp.nan),
        "td_error": jnp.abs(target[:, None] - q).mean(),
        "policy_gain": (policy_q[:, 0] - q[:, 0]).mean(),
        "critics_apart": jnp.abs(q[:, 0] - q[:, 1]).mean(),
        "targets_apart": jnp.abs(target_q - q).mean(),
    }
