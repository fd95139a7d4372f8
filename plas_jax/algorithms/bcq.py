"""BCQ: Q-learning over actions that a CVAE proposes and a small perturbation improves.

Source: the authors' code (sfujim/BCQ, continuous_BCQ/BCQ.py), which D4RL's evaluation copies byte for byte. The order
is its own: CVAE, critics, perturbation, targets. The CVAE is trained with the rest and has no target.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.candidates import best_action, best_value, candidate_normal, repeated
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.cvae import CVAE, cvae_loss, latent_reach
from plas_jax.models.perturbation import Perturbation
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. The defaults are the authors'; `policy_widths` are those of the perturbation."""

    policy_widths: tuple[int, ...] = (400, 300)
    critic_widths: tuple[int, ...] = (400, 300)
    cvae_width: int = 750
    batch_size: int = 100
    target_candidates: int = 10  # actions per next state; d3rlpy takes its 100 here too
    acting_candidates: int = 100


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are the authors'."""

    perturbation_limit: Array | float = 0.05  # Φ
    latent_limit: Array | float = 0.5  # latents are clipped at ± this before they are decoded (BCQ.py:90-93)
    clip_weight: Array | float = 0.75  # λ
    discount: Array | float = 0.99
    polyak: Array | float = 0.005
    policy_learning_rate: Array | float = 1e-3
    critic_learning_rate: Array | float = 1e-3
    cvae_learning_rate: Array | float = 1e-3


class Noise(NamedTuple):
    """Every random array of one update, standard normal, float32, zero in the padding."""

    posterior: Array  # [batch, latent]
    next_latent: Array  # [batch, candidates, latent]
    latent: Array  # [batch, latent]


@struct.dataclass
class State:
    """One run: the CVAE, and the perturbation and critics with their targets."""

    sizes: Sizes
    cvae: Network
    perturbation: Network
    perturbation_target: Parameters
    critics: Network
    critic_targets: Parameters
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> TwinCritics:
    return TwinCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update."""
    key_cvae, key_perturbation, key_critics = jax.random.split(key, 3)
    widths = (sizes.observation.padded, sizes.action.padded, sizes.latent.padded)
    observation, action, latent = (jnp.zeros((1, width)) for width in widths)
    cvae = CVAE(sizes, architecture.cvae_width).init(key_cvae, observation, action, latent)
    perturbation = Perturbation(sizes, architecture.policy_widths).init(key_perturbation, observation, action, 1.0)
    critics = TwinCritics(sizes, architecture.critic_widths).init(key_critics, observation, action)
    return around(architecture, sizes, cvae, perturbation, critics)


def around(
    architecture: Architecture, sizes: Sizes, cvae: Parameters, perturbation: Parameters, critics: Parameters
) -> State:
    """Return the state before the first update with these parameters; targets start as copies."""
    return State(
        sizes=sizes,
        cvae=network(cvae),
        perturbation=network(perturbation),
        perturbation_target=jax.tree.map(jnp.copy, perturbation),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_posterior, key_next_latent, key_latent = jax.random.split(key, 3)
    batch_size, candidates = architecture.batch_size, architecture.target_candidates
    return Noise(
        posterior=padded_normal(key_posterior, batch_size, sizes.latent),
        next_latent=candidate_normal(key_next_latent, batch_size, candidates, sizes.latent),
        latent=padded_normal(key_latent, batch_size, sizes.latent),
    )


def proposed(state: State, cvae: Parameters, observation: Array, draw: Array, latent_limit: Array | float) -> Array:
    """Return the CVAE's action of latents from N(0, 1), clipped (BCQ.py:90-93); `[…, action]`."""
    latent = jnp.clip(draw, -latent_limit, latent_limit)
    return CVAE(state.sizes, state.architecture.cvae_width).apply(cvae, observation, latent, method=CVAE.decode)


def perturbed(state: State, perturbation: Parameters, observation: Array, action: Array, limit: Array | float) -> Array:
    """Return a + ξ(s, a), the action moved by at most Φ, `[…, action]`."""
    module = Perturbation(state.sizes, state.architecture.policy_widths)
    return module.apply(perturbation, observation, action, limit)


def target(state: State, cvae: Parameters, batch: Transition, draw: Array, knobs: Knobs) -> Array:
    """Return r + γ max over candidates of s' of (λ min Q' + (1 - λ) max Q') with the CVAE just updated; `[batch]`."""
    observation = repeated(batch.next_observation, draw.shape[1])
    action = proposed(state, cvae, observation, draw, knobs.latent_limit)
    action = perturbed(state, state.perturbation_target, observation, action, knobs.perturbation_limit)
    next_q = _critics(state).apply(state.critic_targets, observation, action)
    next_value = jax.vmap(best_value, (0, None))(next_q, knobs.clip_weight)
    return bellman_targets(batch, next_value, knobs.discount)


def perturbation_loss(
    perturbation: Parameters, state: State, critics: Parameters, batch: Transition, action: Array, limit: Array | float
) -> tuple[Array, None]:
    """Return -Q1 of the CVAE's action, a constant, perturbed: the first critic, not the smaller one."""
    action = perturbed(state, perturbation, batch.observation, action, limit)
    return -_critics(state).apply(critics, batch.observation, action, method=TwinCritics.first).mean(), None


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of CVAE, critics, perturbation and targets."""
    module = CVAE(state.sizes, state.architecture.cvae_width)
    cvae, evidence, metrics = descend(
        state.cvae, lambda parameters: cvae_loss(parameters, module, batch, noise.posterior), knobs.cvae_learning_rate
    )
    goal = target(state, cvae.parameters, batch, noise.next_latent, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    action = proposed(state, cvae.parameters, batch.observation, noise.latent, knobs.latent_limit)
    limit = knobs.perturbation_limit
    perturbation, loss, _ = descend(
        state.perturbation,
        lambda parameters: perturbation_loss(parameters, state, critics.parameters, batch, action, limit),
        knobs.policy_learning_rate,
    )
    state = replace(
        state,
        cvae=cvae,
        perturbation=perturbation,
        perturbation_target=polyak_average(state.perturbation_target, perturbation.parameters, knobs.polyak),
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
    )
    metrics |= {"cvae_loss": evidence, "critic_loss": error, "policy_value": -loss}
    return state, metrics | {"mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}


def acting_noise(key: Array, architecture: Architecture, sizes: Sizes, states: int) -> Array:
    """Return the latents of the candidates of so many states, `[states, candidates, latent]`."""
    return candidate_normal(key, states, architecture.acting_candidates, sizes.latent)


def act(state: State, observation: Array, noise: Array, knobs: Knobs) -> Array:
    """Return that of the perturbed candidates whose Q1 is greatest (BCQ.py:124-130), `[states, action]`."""
    observation = repeated(observation, noise.shape[1])
    action = proposed(state, state.cvae.parameters, observation, noise, knobs.latent_limit)
    action = perturbed(state, state.perturbation.parameters, observation, action, knobs.perturbation_limit)
    values = _critics(state).apply(state.critics.parameters, observation, action, method=TwinCritics.first)
    return jax.vmap(best_action)(action, values)


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`."""
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0]


def diagnose(state: State, rows: Transition, knobs: Knobs) -> Metrics:
    """Return what the latents can propose."""
    module = CVAE(state.sizes, state.architecture.cvae_width)
    return latent_reach(module, state.cvae.parameters, rows, knobs.latent_limit)


BCQ = Algorithm(init, noise, update, act, acting_noise, value, diagnose)
