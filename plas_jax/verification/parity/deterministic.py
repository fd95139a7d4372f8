"""Golden files of methods that draw no actions of their policies: TD3, TD3+BC, ReBRAC and IQL."""

from collections.abc import Mapping

import jax.numpy as jnp

from plas_jax.algorithms import iql, offline_td3, rebrac, td3_bc
from plas_jax.algorithms.descent import is_due
from plas_jax.algorithms.draws import STD_OFFSET
from plas_jax.models.cvae import MAX_ACTION
from plas_jax.models.layer_normalised_critics import LayerNormalisedCritics
from plas_jax.models.orthogonal_critics import OrthogonalCritics
from plas_jax.models.state_value import StateValue
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.models.unsquashed_policy import LOG_STD_RANGE
from plas_jax.types import Array
from plas_jax.verification.parity.golden import Golden
from plas_jax.verification.parity.layers import Places, chain, critic_places, layers, widths
from plas_jax.verification.parity.settings import architecture, bounds, knobs, no_statistics
from plas_jax.verification.parity.training import Draw, Step, Training


def td3(golden: Golden) -> Training:
    """Return the training of TD3 on fixed data."""
    return Training(
        algorithm=offline_td3.OFFLINE_TD3,
        architecture=architecture(golden, offline_td3.Architecture),
        places=_actor_critic(golden),
        knobs=knobs(golden, offline_td3.Knobs),
        noise=(Draw("noise/next_action"),),
        constants={"max_action": MAX_ACTION},
        critics=TwinCritics,
    )


def td3_with_cloning(golden: Golden) -> Training:
    """Return the training of TD3+BC, on raw states where the file has them."""
    return Training(
        algorithm=td3_bc.TD3_BC,
        architecture=architecture(golden, td3_bc.Architecture),
        inputs=(no_statistics(golden),),
        places=_actor_critic(golden),
        knobs=knobs(golden, td3_bc.Knobs, value_weight="alpha", reward_shift=0.0),
        noise=(Draw("noise/next_action"),),
        fields=scale_of_states(golden),
        constants={"max_action": MAX_ACTION},
        critics=TwinCritics,
        states=states_of(golden),
    )


def decoupled_penalties(golden: Golden) -> Training:
    """Return the training of ReBRAC."""
    return Training(
        algorithm=rebrac.REBRAC,
        architecture=architecture(golden, rebrac.Architecture),
        places=_actor_critic(golden),
        knobs=knobs(
            golden, rebrac.Knobs, policy_penalty="actor_bc_coef", critic_penalty="critic_bc_coef", reward_scale=1.0
        ),
        noise=(Draw("noise/next_action"),),
        constants={"normalize_q": True, "actor_ln": False, "critic_ln": True},
        losses=_rebrac_losses,
        critics=LayerNormalisedCritics,
    )


def implicit(golden: Golden) -> Training:
    """Return the training of IQL, whose file has rewards that are already scaled."""
    hidden = layers(golden, "actor")
    return Training(
        algorithm=iql.IQL,
        architecture=architecture(golden, iql.Architecture, policy_widths=widths(golden, hidden)),
        inputs=(no_statistics(golden),),
        places={
            **chain(layers(golden, "value"), "value/parameters/params/OrthogonalPerceptron_0"),
            **chain([*hidden, "actor/mean"], "policy/parameters/params/mean"),
            "log_stds": ("policy/parameters/params/log_std",),
            **critic_places(golden),
        },
        knobs=knobs(
            golden,
            iql.Knobs,
            inverse_temperature="temperature",
            policy_updates="max_steps",
            scales_returns=1.0,
            reward_shift=0.0,
        ),
        fields={"reward_scale": jnp.ones(())},
        constants={
            "exp_advantage_max": iql.LARGEST_WEIGHT,
            "action_clip": iql.LARGEST_ACTION,
            **bounds(LOG_STD_RANGE),
            "dropout_rate": None,
        },
        losses=_iql_losses,
        critics=OrthogonalCritics,
    )


def _actor_critic(golden: Golden) -> Places:
    return {
        **chain(layers(golden, "actor"), "policy/parameters/params/Perceptron_0"),
        **chain(layers(golden, "actor_target"), "policy_target/params/Perceptron_0"),
        **critic_places(golden),
    }


def states_of(golden: Golden) -> str:
    """Return where the file has the states that a method is to normalise: `batch` where it has only normalised ones."""
    return "raw" if "raw/observations" in golden.arrays else "batch"


def scale_of_states(golden: Golden) -> Mapping[str, Array]:
    """Return mean and std of the data's states, or what changes nothing where the file has only normalised ones.

    Files have the std that states are divided by, which is the data's and the offset.
    """
    size = int(golden.sizes().observation.true)
    mean, std = jnp.zeros(size), jnp.ones(size)
    if states_of(golden) == "raw":
        mean, std = (jnp.float32(golden.shaped(f"raw/observation_{name}", (size,))) for name in ("mean", "std"))
    return {"observation_mean": mean, "observation_std": std - STD_OFFSET}


def _rebrac_losses(step: Step) -> Mapping[str, Array]:
    """Return the losses of `update_critic` and, where it is due, of `update_actor`."""
    before, batch = step.before, step.batch
    loss, _ = rebrac.policy_loss(before.policy.parameters, before, step.after.critics.parameters, batch, step.knobs)
    due, distance = is_due(before.updates, step.knobs.policy_delay), step.metrics["cloning_error"]
    return {
        "losses/critic_loss": step.metrics["critic_loss"],
        "losses/q_min": step.values(LayerNormalisedCritics, batch.observation, batch.action).min(axis=-1).mean(),
        "losses/actor_loss": jnp.where(due, loss, jnp.nan),
        "losses/bc_mse_policy": jnp.where(due, distance, jnp.nan),
        "losses/action_mse": jnp.where(due, distance / before.sizes.action.true, jnp.nan),
    }


def _iql_losses(step: Step) -> Mapping[str, Array]:
    """Return the losses of `_update_jit`: V's before its step, the policy's on the new V, both critics' values."""
    before, batch = step.before, iql.conditioned(step.before, step.batch, step.knobs)
    values = StateValue(before.sizes, before.architecture.value_widths)
    target_q = step.values(OrthogonalCritics, batch.observation, batch.action, before.critic_targets).min(axis=-1)
    first, second = step.values(OrthogonalCritics, batch.observation, batch.action).mean(axis=0)
    advantage = target_q - values.apply(step.after.value.parameters, batch.observation)
    weight = iql.advantage_weight(advantage, step.knobs.inverse_temperature)
    return {
        "losses/value_loss": step.metrics["value_loss"],
        "losses/critic_loss": step.metrics["critic_loss"],
        "losses/actor_loss": iql.policy_loss(before.policy.parameters, before, batch, weight)[0],
        "losses/v": values.apply(before.value.parameters, batch.observation).mean(),
        "losses/q1": first,
        "losses/q2": second,
    }
