"""PLAS, Algorithm 1 of the paper: a deterministic policy in the latent space of a frozen CVAE.

ε = 0 is PLAS (section 4.1), ε > 0 is PLAS+P (section 4.2): one implementation, and ε is a knob. The order of the
steps is that of the official code (`algos.py:213-248` and 278-335): critics, then the policy on the critics just
updated, then both targets; no delay, no target smoothing.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average, soft_clipped
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.models.cvae import CVAE, latent_reach
from plas_jax.models.frozen_decoder import Decoded, action_of, decode, decoder_of
from plas_jax.models.latent_policy import LatentPolicy
from plas_jax.models.perturbation import Perturbation
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition

SATURATED = 0.95  # of σ; a choice of ours


class Architecture(NamedTuple):
    """What changes shapes. `cvae_width` is that of the frozen CVAE."""

    policy_widths: tuple[int, ...]
    critic_widths: tuple[int, ...]
    cvae_width: int
    batch_size: int


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis."""

    perturbation_limit: Array | float  # ε, section 4.2
    latent_limit: Array | float  # σ, section 4.1 and appendix C
    clip_weight: Array | float  # λ of the soft clipped double Q, appendix A
    discount: Array | float  # γ
    polyak: Array | float  # τ
    policy_learning_rate: Array | float
    critic_learning_rate: Array | float


@struct.dataclass
class State:
    """One run: the frozen CVAE, the policy (latent and perturbation) and the critics with their targets."""

    sizes: Sizes
    cvae: Parameters
    policy: Network
    policy_target: Parameters
    critics: Network
    critic_targets: Parameters
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> TwinCritics:
    return TwinCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes, cvae: Parameters) -> State:
    """Return the state before the first update, around the parameters of a trained CVAE; targets start as copies."""
    key_latent, key_perturbation, key_critics = jax.random.split(key, 3)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = {
        "latent_policy": LatentPolicy(sizes, architecture.policy_widths).init(key_latent, observation, 1.0),
        "perturbation": Perturbation(sizes, architecture.policy_widths).init(
            key_perturbation, observation, action, 1.0
        ),
    }
    critics = TwinCritics(sizes, architecture.critic_widths).init(key_critics, observation, action)
    return around(architecture, sizes, cvae, policy, critics)


def around(
    architecture: Architecture, sizes: Sizes, cvae: Parameters, policy: Parameters, critics: Parameters
) -> State:
    """Return the state before the first update with these parameters."""
    return State(
        sizes=sizes,
        cvae=cvae,
        policy=network(policy),
        policy_target=jax.tree.map(jnp.copy, policy),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> None:
    """Draw nothing: policy and targets are deterministic."""


def policy_latent(state: State, policy: Parameters, observation: Array, knobs: Knobs) -> Array:
    """Return the latent of these policy parameters, `[batch, latent]`."""
    module = LatentPolicy(state.sizes, state.architecture.policy_widths)
    return module.apply(policy["latent_policy"], observation, knobs.latent_limit)


def policy_action(state: State, policy: Parameters, observation: Array, decoded: Array, knobs: Knobs) -> Array:
    """Return the action of these policy parameters, `[batch, action]`: that decoded from their latents, perturbed."""
    module = Perturbation(state.sizes, state.architecture.policy_widths)
    return module.apply(policy["perturbation"], observation, decoded, knobs.perturbation_limit)


def decode_both(state: State, batch: Transition, knobs: Knobs) -> tuple[Decoded, Decoded]:
    """Return the target policy's latents at the next observations decoded, and the policy's at the observations."""
    next_latent = policy_latent(state, state.policy_target, batch.next_observation, knobs)
    latent = policy_latent(state, state.policy.parameters, batch.observation, knobs)
    observations = jnp.concatenate([batch.next_observation, batch.observation])
    both = decode(decoder_of(state.cvae), observations, jnp.concatenate([next_latent, latent]))
    return both.rows(0, len(latent)), both.rows(len(latent), len(observations))


def target(state: State, batch: Transition, next_decoded: Array, knobs: Knobs) -> Array:
    """Return Algorithm 1's targets, r + γ·(λ min Q' + (1 - λ) max Q') at the target policy's action; `[batch]`.

    `next_decoded` is what the target policy's latents decode to, `[batch, action]`.
    """
    next_action = policy_action(state, state.policy_target, batch.next_observation, next_decoded, knobs)
    next_q = _critics(state).apply(state.critic_targets, batch.next_observation, next_action)
    next_value = jax.vmap(soft_clipped, (0, None))(next_q, knobs.clip_weight)
    return bellman_targets(batch, next_value, knobs.discount)


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, decoded: Decoded, knobs: Knobs
) -> tuple[Array, None]:
    """Return -Q1 of the policy's action: the first critic, not the smaller one (`algos.py:238`, 325).

    `decoded` is what the decoder made of the latents of these policy parameters.
    """
    latent = policy_latent(state, policy, batch.observation, knobs)
    action = action_of(latent, decoder_of(state.cvae), decoded)
    action = policy_action(state, policy, batch.observation, action, knobs)
    return -_critics(state).apply(critics, batch.observation, action, method=TwinCritics.first).mean(), None


def update(state: State, batch: Transition, noise: None, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one pass through the loop of Algorithm 1."""
    next_decoded, decoded = decode_both(state, batch, knobs)
    goal = target(state, batch, next_decoded.action, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, loss, _ = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, decoded, knobs),
        knobs.policy_learning_rate,
    )
    state = replace(
        state,
        policy=policy,
        policy_target=polyak_average(state.policy_target, policy.parameters, knobs.polyak),
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
    )
    metrics = {"critic_loss": error, "policy_value": -loss, "mean_q": q_values.mean()}
    return state, metrics | {"mean_absolute_q": jnp.abs(q_values).mean()}


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy, `[batch, action]`."""
    latent = policy_latent(state, state.policy.parameters, observation, knobs)
    decoded = decode(decoder_of(state.cvae), observation, latent)
    return policy_action(state, state.policy.parameters, observation, decoded.action, knobs)


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`."""
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0]


def diagnose(state: State, rows: Transition, knobs: Knobs) -> Metrics:
    """Return what the latents can choose, and `latent_saturation`: the share of the policy's beyond 0.95 σ."""
    latent = policy_latent(state, state.policy.parameters, rows.observation, knobs)
    saturated = jnp.abs(latent) > SATURATED * knobs.latent_limit
    reach = latent_reach(CVAE(state.sizes, state.architecture.cvae_width), state.cvae, rows, knobs.latent_limit)
    return reach | {"latent_saturation": state.sizes.latent.mean(saturated).mean()}


PLAS = Algorithm(init, noise, update, act, None, value, diagnose)
