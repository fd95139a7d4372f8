"""Golden files of BRAC, which regularises towards a cloned policy, and of that cloning."""

from collections.abc import Mapping
from dataclasses import replace

import jax

from plas_jax.algorithms import brac, cloning
from plas_jax.algorithms.candidates import best_action, repeated
from plas_jax.algorithms.descent import KERAS_EPSILON
from plas_jax.models.gaussian_policy import BRAC_LOG_STD_RANGE, DENSITY_LIMIT, brac_policy, squashed_sample
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Array, Transition
from plas_jax.verification.parity.golden import Golden
from plas_jax.verification.parity.layers import Places, critic_places, heads, layers
from plas_jax.verification.parity.settings import architecture, bounds, knobs, shapes_of
from plas_jax.verification.parity.training import Draw, Step, Training, swapped


def behaviour_regularized(golden: Golden) -> Training:
    """Return the training of BRAC-v, or of BRAC-p, whose targets draw no divergence."""
    penalised, sizes = golden.flag("value_penalty"), golden.sizes()
    shapes = architecture(golden, brac.Architecture, divergence_samples="n_div_samples")
    return Training(
        algorithm=brac.BRAC,
        architecture=shapes,
        inputs=(shapes_of(brac_policy(sizes, shapes.policy_widths), sizes.observation),),
        places={**_policy(golden, "actor", "policy/parameters"), **critic_places(golden)},
        frozen=_policy(golden, "behaviour", "behaviour"),
        knobs=knobs(golden, brac.Knobs, value_penalty=float(penalised), divergence_weight="alpha"),
        noise=(
            Draw("noise/next_action"),
            Draw("noise/next_divergence", swapped) if penalised else None,
            Draw("noise/action"),
            Draw("noise/divergence", swapped),
        ),
        constants={
            **_constants(),
            **{"train_alpha": False, "alpha_entropy": 0.0, "train_alpha_entropy": False, "divergence": "kl"},
            **{"ensemble_q_lambda": 1.0, "weight_decays": 0.0, "update_freq": 1},
        },
        losses=_losses,
        critics=TwinCritics,
        acting="noise/acting",
        afterwards={"max_q_actions_after": _best_sample},
    )


def behaviour_cloning(golden: Golden) -> Training:
    """Return the training of BRAC's behaviour policy, whose two rates are one knob here as in the source."""
    return Training(
        algorithm=cloning.CLONING,
        architecture=architecture(golden, cloning.Architecture),
        places={**_policy(golden, "actor", "policy/parameters"), "alpha_entropy": ("entropy_weight/parameters",)},
        knobs=knobs(golden, cloning.Knobs, learning_rate="actor_lr"),
        noise=(Draw("noise/action"), Draw("noise/action_after")),
        constants={
            **_constants(),
            "alpha_entropy_lr": golden.setting("actor_lr"),
            "target_entropy": -golden.whole("action_dim"),
        },
        losses=_cloning_losses,
    )


def _policy(golden: Golden, net: str, place: str) -> Places:
    *hidden, last = layers(golden, net)
    return heads(hidden, last, last, place)


def _constants() -> Mapping[str, object]:
    return {
        **bounds(BRAC_LOG_STD_RANGE),
        "density_clip": round(1 - DENSITY_LIMIT, 9),
        "adam_epsilon": KERAS_EPSILON,
        "adam_epsilon_before_bias_correction": True,
    }


def _losses(step: Step) -> Mapping[str, Array]:
    """Return what `brac_primal_agent.py` reports: the policy's loss on the new critics, the targets."""
    policy, critics = step.before.policy.parameters, step.after.critics.parameters
    loss, _ = brac.policy_loss(policy, step.before, critics, step.batch, step.noise, step.knobs)
    moved = replace(step.before, critic_targets=step.after.critic_targets)
    return {
        "losses/q_loss": step.metrics["critic_loss"],
        "losses/p_loss": loss,
        "losses/div_mean": step.metrics["divergence"],
        "losses/q1_target_mean": brac.target(moved, step.batch, step.noise, step.knobs).mean(),
    }


def _cloning_losses(step: Step) -> Mapping[str, Array]:
    """Return what `bc_agent.py` reports: both losses and α_e before their steps."""
    before, after = step.before, step.after
    module = brac_policy(before.sizes, before.architecture.policy_widths)
    mean, log_std = module.apply(after.policy.parameters, step.batch.observation)
    _, log_density = squashed_sample(mean, log_std, step.noise.action_after, before.sizes.action)
    variable = before.entropy_weight.parameters
    return {
        "losses/p_loss": step.metrics["policy_loss"],
        "losses/ae_loss": cloning.entropy_weight_loss(variable, log_density, before.sizes.action.true)[0],
        "losses/alpha_entropy": step.metrics["entropy_weight"],
    }


def _best_sample(state: brac.State, batch: Transition, draws: Array) -> Array:
    """Return that of the policy's samples whose Q1 is greatest: "max_q". Draws are `[samples, batch, action]`."""
    draws = draws.swapaxes(0, 1)
    mean, log_std = brac.gaussian(state, state.policy.parameters, batch.observation)
    action, _ = squashed_sample(mean[:, None], log_std[:, None], draws, state.sizes.action)
    critics = TwinCritics(state.sizes, state.architecture.critic_widths)
    observation = repeated(batch.observation, draws.shape[1])
    values = critics.apply(state.critics.parameters, observation, action, method=TwinCritics.first)
    return jax.vmap(best_action)(action, values)
