"""BEAR: a policy held within the support of the data by a maximum mean discrepancy and a Lagrange multiplier.

Source: D4RL's version (d4rl_evaluations, bear/rlkit/torch/sac/bear.py), whose order is CVAE, critics, policy,
multiplier, targets. Deviations: critic targets start as copies, where rlkit draws them anew; and the policy ascends
the critics just updated. The source computes its loss on the critics before their step and differentiates it after:
torch before 1.5 then multiplies new weights with old activations, an accident that later versions refuse to run. That
moves the policy by up to 2e-4 of a tensor's largest weight within twenty updates.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import struct

from plas_jax.algorithms.bellman import bellman_targets, critic_loss, polyak_average
from plas_jax.algorithms.candidates import best_action, best_value, candidate_normal, repeated
from plas_jax.algorithms.descent import Network, descend, network
from plas_jax.algorithms.divergences import chosen_kernel, maximum_mean_discrepancy
from plas_jax.algorithms.draws import padded_normal
from plas_jax.models.cvae import CVAE, cvae_loss, latent_reach
from plas_jax.models.gaussian_policy import GaussianPolicy
from plas_jax.models.perceptron import rlkit_hidden, uniform_within
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Algorithm, Array, Metrics, Parameters, Sizes, Transition

LOG_MULTIPLIER_RANGE = (-5.0, 10.0)

# The kernel of each environment, 1 for the Gaussian: d4rl_evaluations' bear/README.md, confirmed by BEAR's author
# (BEAR#8), against the script's default (Gaussian, σ = 50) and a comment in the code. σ is 20 everywhere.
GAUSSIAN_KERNEL = {"hopper": 0.0, "walker2d": 0.0, "halfcheetah": 1.0}


class Architecture(NamedTuple):
    """What changes shapes. The defaults are D4RL's."""

    policy_widths: tuple[int, ...] = (256, 256)
    critic_widths: tuple[int, ...] = (256, 256)
    cvae_width: int = 750
    batch_size: int = 256
    target_candidates: int = 10
    acting_candidates: int = 100
    divergence_samples: int = 4  # n of the discrepancy, of the data's model and of the policy


class Knobs(NamedTuple):
    """What may be swept; any leaf may carry a sweep axis. The defaults are D4RL's."""

    divergence_limit: Array | float = 0.05  # ε of the constraint MMD ≤ ε
    gaussian_kernel: Array | float = 0.0  # 1: Gaussian, 0: Laplacian; see GAUSSIAN_KERNEL
    bandwidth: Array | float = 20.0  # σ
    latent_limit: Array | float = 0.5  # latents are clipped at ± this before they are decoded
    warm_up: Array | float = 40_000.0  # updates before the policy sees the critics
    clip_weight: Array | float = 0.75  # λ
    discount: Array | float = 0.99
    polyak: Array | float = 5e-3
    policy_learning_rate: Array | float = 1e-4
    critic_learning_rate: Array | float = 3e-4
    cvae_learning_rate: Array | float = 3e-4
    multiplier_learning_rate: Array | float = 1e-3


class Noise(NamedTuple):
    """Every random array of one update, standard normal, float32, zero in the padding."""

    posterior: Array  # [batch, latent]
    next_action: Array  # [batch, candidates, action]
    latent: Array  # [batch, samples, latent]
    action: Array  # [batch, samples, action]


@struct.dataclass
class State:
    """One run: CVAE, policy, critics with their targets, log α, and how many updates there were."""

    sizes: Sizes
    cvae: Network
    policy: Network
    critics: Network
    critic_targets: Parameters
    log_multiplier: Network
    updates: Array  # int32
    architecture: Architecture = struct.field(pytree_node=False)


def _critics(sizes: Sizes, architecture: Architecture) -> TwinCritics:
    return TwinCritics(sizes, architecture.critic_widths, rlkit_hidden, uniform_within(3e-3))


def init(key: Array, architecture: Architecture, sizes: Sizes) -> State:
    """Return the state before the first update; critic targets start as copies."""
    key_cvae, key_policy, key_critics = jax.random.split(key, 3)
    widths = (sizes.observation.padded, sizes.action.padded, sizes.latent.padded)
    observation, action, latent = (jnp.zeros((1, width)) for width in widths)
    critics = _critics(sizes, architecture).init(key_critics, observation, action)
    return State(
        sizes=sizes,
        cvae=network(CVAE(sizes, architecture.cvae_width).init(key_cvae, observation, action, latent)),
        policy=network(GaussianPolicy(sizes, architecture.policy_widths).init(key_policy, observation)),
        critics=network(critics),
        critic_targets=jax.tree.map(jnp.copy, critics),
        log_multiplier=network(jnp.zeros(())),
        updates=jnp.zeros((), jnp.int32),
        architecture=architecture,
    )


def noise(key: Array, architecture: Architecture, sizes: Sizes) -> Noise:
    """Return the random arrays of one update."""
    key_posterior, key_next_action, key_latent, key_action = jax.random.split(key, 4)
    batch_size, samples = architecture.batch_size, architecture.divergence_samples
    return Noise(
        posterior=padded_normal(key_posterior, batch_size, sizes.latent),
        next_action=candidate_normal(key_next_action, batch_size, architecture.target_candidates, sizes.action),
        latent=candidate_normal(key_latent, batch_size, samples, sizes.latent),
        action=candidate_normal(key_action, batch_size, samples, sizes.action),
    )


def behaviour_samples(state: State, observation: Array, draw: Array, latent_limit: Array | float) -> Array:
    """Return the CVAE's actions before their tanh, of latents from N(0, 1), clipped; `[states, samples, action]`."""
    latent = jnp.clip(draw, -latent_limit, latent_limit)
    module = CVAE(state.sizes, state.architecture.cvae_width)
    inputs = repeated(observation, draw.shape[1]), latent
    return module.apply(state.cvae.parameters, *inputs, method=lambda bound, *inputs: bound.decoder(*inputs))


def policy_samples(state: State, policy: Parameters, observation: Array, draw: Array) -> Array:
    """Return the policy's actions before their tanh, `[states, samples, action]`."""
    mean, log_std = GaussianPolicy(state.sizes, state.architecture.policy_widths).apply(policy, observation)
    return mean[:, None] + jnp.exp(log_std)[:, None] * draw


def target(state: State, batch: Transition, draw: Array, knobs: Knobs) -> Array:
    """Return r + γ max over the candidates of s' of (λ min Q' + (1 - λ) max Q'); `[batch]`.

    The candidates are the policy's own: it has no target (bear.py:170-182).
    """
    action = jnp.tanh(policy_samples(state, state.policy.parameters, batch.next_observation, draw))
    observation = repeated(batch.next_observation, draw.shape[1])
    next_q = _critics(state.sizes, state.architecture).apply(state.critic_targets, observation, action)
    next_value = jax.vmap(best_value, (0, None))(next_q, knobs.clip_weight)
    return bellman_targets(batch, next_value, knobs.discount)


def discrepancy(state: State, observation: Array, draws: Array, samples: Array, knobs: Knobs) -> Array:
    """Return the mean over states of the MMD between the CVAE's actions of these draws and the policy's samples."""
    behaviour = behaviour_samples(state, observation, draws, knobs.latent_limit)
    kernel = chosen_kernel(knobs.gaussian_kernel, knobs.bandwidth)
    return jax.vmap(lambda one, other: maximum_mean_discrepancy(kernel, one, other))(behaviour, samples).mean()


def policy_loss(
    policy: Parameters, state: State, critics: Parameters, batch: Transition, noise: Noise, knobs: Knobs
) -> tuple[Array, tuple[Array, Array]]:
    """Return α (MMD - ε) - min Q of the first sample, and their means; before `warm_up` without Q (bear.py:210-223)."""
    samples = policy_samples(state, policy, batch.observation, noise.action)
    divergence = discrepancy(state, batch.observation, noise.latent, samples, knobs)
    module = _critics(state.sizes, state.architecture)
    value = module.apply(critics, batch.observation, jnp.tanh(samples[:, 0])).min(axis=-1).mean()
    multiplier = jnp.exp(state.log_multiplier.parameters)
    seen = jnp.where(state.updates >= knobs.warm_up, value, 0.0)
    return multiplier * (divergence - knobs.divergence_limit) - seen, (divergence, value)


def multiplier_loss(log_multiplier: Array, divergence: Array, divergence_limit: Array | float) -> tuple[Array, None]:
    """Return -α (MMD - ε), whose descent is the dual's ascent: α grows while the constraint is broken."""
    return -jnp.exp(log_multiplier) * (divergence - divergence_limit), None


def ascend(log_multiplier: Network, divergence: Array, knobs: Knobs) -> Network:
    """Take one step of the multiplier on the policy's loss before its own step; log α stays within [-5, 10]."""
    after, _, _ = descend(
        log_multiplier,
        lambda value: multiplier_loss(value, divergence, knobs.divergence_limit),
        knobs.multiplier_learning_rate,
    )
    return replace(after, parameters=jnp.clip(after.parameters, *LOG_MULTIPLIER_RANGE))


def update(state: State, batch: Transition, noise: Noise, knobs: Knobs) -> tuple[State, Metrics]:
    """Make one update of CVAE, critics, policy, multiplier and targets."""
    module = CVAE(state.sizes, state.architecture.cvae_width)
    cvae, evidence, metrics = descend(
        state.cvae, lambda parameters: cvae_loss(parameters, module, batch, noise.posterior), knobs.cvae_learning_rate
    )
    state = replace(state, cvae=cvae)
    goal = target(state, batch, noise.next_action, knobs)
    critics, error, q_values = descend(
        state.critics,
        lambda parameters: critic_loss(parameters, _critics(state.sizes, state.architecture), batch, goal),
        knobs.critic_learning_rate,
    )
    policy, _, (divergence, value) = descend(
        state.policy,
        lambda parameters: policy_loss(parameters, state, critics.parameters, batch, noise, knobs),
        knobs.policy_learning_rate,
    )
    state = replace(
        state,
        policy=policy,
        critics=critics,
        critic_targets=polyak_average(state.critic_targets, critics.parameters, knobs.polyak),
        log_multiplier=ascend(state.log_multiplier, divergence, knobs),
        updates=state.updates + 1,
    )
    metrics |= {"cvae_loss": evidence, "critic_loss": error, "policy_value": value, "mmd": divergence}
    metrics |= {"mean_q": q_values.mean(), "mean_absolute_q": jnp.abs(q_values).mean()}
    return state, metrics | {"multiplier": jnp.exp(state.log_multiplier.parameters)}


def acting_noise(key: Array, architecture: Architecture, sizes: Sizes, states: int) -> Array:
    """Return the draws of the candidates of so many states, `[states, candidates, action]`."""
    return candidate_normal(key, states, architecture.acting_candidates, sizes.action)


def act(state: State, observation: Array, noise: Array, knobs: Knobs) -> Array:
    """Return that of the policy's samples whose Q1 is greatest (batch_rl_algorithm.py:89-99), `[states, action]`."""
    action = jnp.tanh(policy_samples(state, state.policy.parameters, observation, noise))
    observation, critics = repeated(observation, noise.shape[1]), _critics(state.sizes, state.architecture)
    values = critics.apply(state.critics.parameters, observation, action, method=TwinCritics.first)
    return jax.vmap(best_action)(action, values)


def value(state: State, observation: Array, action: Array, knobs: Knobs) -> Array:
    """Return Q1, `[states]`."""
    return _critics(state.sizes, state.architecture).apply(state.critics.parameters, observation, action)[..., 0]


def diagnose(state: State, rows: Transition, knobs: Knobs) -> Metrics:
    """Return what the CVAE's latents can propose, and `mmd_over_limit`, the constraint's MMD over its ε: 1 holds it."""
    draws = noise(jax.random.key(0), state.architecture._replace(batch_size=len(rows.reward)), state.sizes)
    samples = policy_samples(state, state.policy.parameters, rows.observation, draws.action)
    divergence = discrepancy(state, rows.observation, draws.latent, samples, knobs)
    module = CVAE(state.sizes, state.architecture.cvae_width)
    reach = latent_reach(module, state.cvae.parameters, rows, knobs.latent_limit)
    return reach | {"mmd_over_limit": divergence / knobs.divergence_limit}


BEAR = Algorithm(init, noise, update, act, acting_noise, value, diagnose)
