"""ReBRAC, "Revisiting the Minimalist Approach to Offline Reinforcement Learning" (Tarasov et al. 2023).

TD3+BC with the penalty decoupled, β1 in the policy's loss and β2 in the critics' targets, LayerNorm in the critics
and deeper networks. Source: `rebrac.py` of CORL, which equals the authors' repository in every setting. Order
(`rebrac.py:415-592`): critics; on every d-th update, counted from 0, the policy on the critics just updated, the
policy's target from the policy before this update, the critics' targets from the critics after it.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average, smoothed
from plas_jax.algorithms.descent import Network, descend, is_due, network, taken
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.deterministic_policy import DeterministicPolicy
from plas_jax.models.layer_normalised_critics import LayerNormalisedCritics, edac_hidden
from plas_jax.models.perceptron import Perceptron, uniform_within
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition


class Architecture(NamedTuple):
    """What changes shapes. The batch is that of locomotion."""

    policy_widths: tuple[int, ...] = (256, 256, 256)
    critic_widths: tuple[int, ...] = (256, 256, 256)
    batch_size: int = 1024


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis.

    The defaults are those of locomotion, but for β1 and β2, which `rebrac_penalties` has for each data set; theirs
    here are the pair that is most frequent there. `domain_constants` has what other families are trained with.
    """

    policy_penalty: Array | float = 0.01  # β1
    critic_penalty: Array | float = 0.01  # β2
    discount: Array | float = 0.99  # γ
    polyak: Array | float = 0.005  # τ
    policy_learning_rate: Array | float = 1e-3
    critic_learning_rate: Array | float = 1e-3
    target_noise: Array | float = 0.2  # σ of target policy smoothing
    target_noise_limit: Array | float = 0.5  # c of target policy smoothing
    policy_delay: Array | float = 2  # d
    reward_scale: Array | float = 1.0  # which every reward is multiplied by


class Noise(NamedTuple):
    """Every random array of one update, float32 `[batch, action]`, zero in the padding."""

    next_action: Array


@struct.dataclass
class State:
    """One run: policy and critics with their targets, and how many updates there were."""

    sizes: Sizes
    policy: Network
    policy_target: Parameters
    critics: Network
    critic_targets: Parameters
    updates: Array
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(state: State) -> LayerNormalisedCritics:
    return LayerNormalisedCritics(state.sizes, state.architecture.critic_widths)


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update; targets start as copies."""
    key_policy, key_critics = jax.random.split(key)
    observation, action = jnp.zeros((1, sizes.observation.padded)), jnp.zeros((1, sizes.action.padded))
    policy = first_policy(key_policy, architecture, sizes)
    critics = LayerNormalisedCritics(sizes, architecture.critic_widths).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        policy=network(policy),
        policy_target=jax.tree.map(jnp.copy, policy),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def first_policy(key: Array, architecture: Architecture, sizes: Sizes) -> Parameters:
    """Return parameters of a `DeterministicPolicy`, by EDAC's initial law instead of torch's (`rebrac.py:99-136`)."""
    layers = Perceptron(
        (sizes.observation,), architecture.policy_widths, sizes.action, edac_hidden, uniform_within(1e-3)
    )
    return {"params": {"Perceptron_0": layers.init(key, jnp.zeros((1, sizes.observation.padded)))["params"]}}


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    return Noise(padded_normal(key, architecture.batch_size, sizes.action))


def policy_action(state: State, policy: Parameters, observation: Array) -> Array:
    """Return the action of these policy parameters, `[batch, action]`."""
    return DeterministicPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)


def smaller_q(state: State, critics: Parameters, observation: Array, action: Array) -> Array:
    """Return min Q over both critics, `[batch]`: everywhere in ReBRAC, also in the policy's loss."""
    return _critics(state).apply(critics, observation, action).min(axis=-1)


def penalty(action: Array, data_action: Array) -> Array:
    """Return ‖a - â‖², summed (not averaged, as in TD3+BC) over the dimensions of actions; `[batch]`."""
    return jnp.square(action - data_action).sum(axis=-1)


def target(state: State, batch: Transition, draw: Array, knobs: Knobs) -> Array:
    """Return the targets r + γ·(min Q'(s', ã) - β2·‖ã - â'‖²), `[batch]`.

    ã is the target policy's smoothed action, â' the data's. Raises `ValueError` where the data have no next actions.
    """
    if batch.next_action is None:
        raise ValueError("ReBRAC needs the data's next actions: qlearning_transitions(…, next_actions=True)")
    next_action = policy_action(state, state.policy_target, batch.next_observation)
    next_action = smoothed(next_action, draw, knobs.target_noise, knobs.target_noise_limit)
    next_q = smaller_q(state, state.critic_targets, batch.next_observation, next_action)
    next_value = next_q - knobs.critic_penalty * penalty(next_action, batch.next_action)
    # A choice and no product of 1, with which the sum behind it would be rounded at another place.
    reward = jnp.where(knobs.reward_scale == 1, batch.reward, batch.reward * knobs.reward_scale)
    return bellman_targets(batch._replace(reward=reward), next_value, knobs.discount)


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, knobs: Knobs
) -> tuple[Array, Metrics]:
    """Return mean (β1·‖π(s) - a‖² - min Q(s, π(s)) / mean |min Q|), whose denominator is no function of the policy."""
    action = policy_action(state, policy, batch.observation)
    q = smaller_q(state, critics, batch.observation, action)
    scale = jax.lax.stop_gradient(jnp.abs(q).mean())
    distance = penalty(action, batch.action)
    loss = (knobs.policy_penalty * distance - q / scale).mean()
    return loss, {"policy_value": q.mean(), "cloning_error": distance.mean()}


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of the critics and, on every d-th, of policy and targets."""
    goal = target(state, batch, noise.next_action, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, _, metrics = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, knobs),
        knobs.policy_learning_rate,
    )
    policy_target = polyak_average(state.policy_target, state.policy.parameters, knobs.polyak)
    critic_targets = polyak_average(state.critic_targets, critics.parameters, knobs.polyak)

    policy, policy_target, critic_targets = taken(
        is_due(state.updates, knobs.policy_delay),
        (policy, policy_target, critic_targets),
        (state.policy, state.policy_target, state.critic_targets),
    )
    state = replace(
        state,
        policy=policy,
        policy_target=policy_target,
        critics=critics,
        critic_targets=critic_targets,
        updates=state.updates + 1,
    )
    metrics |= {"critic_loss": error, "mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics


def act(state: State, observation: Array, noise: None, knobs: Knobs) -> Array:
    """Return the deterministic policy, `[states, action]`."""
    return policy_action(state, state.policy.parameters, observation)


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`, of raw rewards: it was trained on scaled ones."""
    return _critics(state).apply(state.critics.parameters, observation, action)[..., 0] / knobs.reward_scale


REBRAC = Algorithm(init, noise, update, act, None, value)
