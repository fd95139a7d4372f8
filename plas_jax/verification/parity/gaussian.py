"""Golden files of methods with a squashed Gaussian policy, in rlkit's and CORL's code: SAC, BEAR and CQL."""

from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp

from plas_jax.algorithms import bear, cql, sac
from plas_jax.algorithms.conservatism import conservative_gap
from plas_jax.algorithms.descent import network
from plas_jax.algorithms.divergences import temperature_loss
from plas_jax.models import affine_std_policy, cvae, gaussian_policy
from plas_jax.models.orthogonal_critics import OrthogonalCritics
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Array, Transition
from plas_jax.verification.parity.deterministic import scale_of_states, states_of
from plas_jax.verification.parity.golden import BadGoldenFileError, Golden
from plas_jax.verification.parity.latent import cvae_places
from plas_jax.verification.parity.layers import Places, critic_places, heads, layers, widths
from plas_jax.verification.parity.settings import architecture, bounds, knobs, no_statistics
from plas_jax.verification.parity.training import Draw, Step, Training, in_rows, once, swapped

KERNELS = {"gaussian": 1.0, "laplacian": 0.0}
# What the configurations of the mazes change, of which there are no files.
OF_MAZES = ("gap_threshold", "smallest_gap", "normalises_observations", "reward_scale", "reward_shift")


def soft_actor_critic(golden: Golden) -> Training:
    """Return the training of SAC on fixed data."""
    return Training(
        algorithm=sac.SAC,
        architecture=architecture(golden, sac.Architecture, policy_widths=widths(golden, layers(golden, "actor"))),
        places={**_rlkit_policy(golden), **critic_places(golden), "log_alpha": ("log_temperature/parameters",)},
        knobs=knobs(golden, sac.Knobs),
        noise=(Draw("noise/action"), Draw("noise/next_action")),
        constants={
            **bounds(gaussian_policy.LOG_STD_RANGE),
            **{"target_update_period": 1, "reward_scale": 1.0, "target_entropy": -golden.whole("action_dim")},
            "log_density_epsilon": gaussian_policy.DENSITY_OFFSET,
        },
        losses=_sac_losses,
        critics=TwinCritics,
    )


def support_constrained(golden: Golden) -> Training:
    """Return the training of BEAR."""
    kernel = golden.text("kernel")
    if kernel not in KERNELS:
        raise BadGoldenFileError(f"{golden.path}: its kernel is {kernel!r}, BEAR here has {' or '.join(KERNELS)}")
    sizes = {"target_candidates": "target_candidates", "divergence_samples": "num_samples_mmd_match"}
    settings = {"divergence_limit": "target_mmd_thresh", "bandwidth": "mmd_sigma", "latent_limit": "latent_clip"}
    flat, policy_widths = ("noise/next_action", "noise/action"), widths(golden, layers(golden, "actor"))
    return Training(
        algorithm=bear.BEAR,
        architecture=architecture(golden, bear.Architecture, policy_widths=policy_widths, **sizes),
        places={
            **cvae_places("cvae/parameters"),
            **_rlkit_policy(golden),
            **critic_places(golden),
            "log_alpha": ("log_multiplier/parameters",),
        },
        knobs=knobs(
            golden, bear.Knobs, gaussian_kernel=KERNELS[kernel], multiplier_learning_rate="alpha_lr", **settings
        ),
        noise=(Draw("noise/posterior"), Draw(flat[0], in_rows), Draw("noise/latent"), Draw(flat[1], in_rows)),
        constants={
            **bounds(gaussian_policy.LOG_STD_RANGE),
            **bounds(bear.LOG_MULTIPLIER_RANGE, "log_alpha"),
            **bounds(cvae.LOG_STD_RANGE, "vae_log_std"),
            **{"mode": "auto", "policy_update_style": "0", "target_update_period": 1, "reward_scale": 1.0},
        },
        losses=_bear_losses,
        critics=TwinCritics,
        acts="max_q_actions_after",
        acting="noise/acting",
        afterwards={"actions_after": _bear_mean},
    )


def conservative(golden: Golden) -> Training:
    """Return the training of CQL, on raw states where the file has them."""
    *hidden, last = layers(golden, "actor")
    policy_widths = widths(golden, hidden)
    unchanged = {name: float(getattr(cql.Knobs(), name)) for name in OF_MAZES}
    return Training(
        algorithm=cql.CQL,
        architecture=architecture(golden, cql.Architecture, policy_widths=policy_widths, candidates="cql_n_actions"),
        inputs=(no_statistics(golden),),
        places={
            **heads(hidden, last, last, "policy/parameters"),
            **{f"log_std_{name}": (f"policy/parameters/params/log_std_{name}",) for name in ("multiplier", "offset")},
            **critic_places(golden),
            "log_alpha": ("log_temperature/parameters",),
        },
        knobs=knobs(golden, cql.Knobs, conservative_weight="cql_alpha", **unchanged),
        noise=(
            Draw("noise/action"),
            Draw("noise/next_action", once),
            *(Draw(f"noise/{name}", swapped) for name in ("uniform", "current", "next")),
        ),
        fields={"log_multiplier": network(jnp.ones(())), **scale_of_states(golden)},
        constants={
            **bounds(affine_std_policy.LOG_STD_RANGE),
            **{"target_entropy": -golden.whole("action_dim"), "alpha_multiplier": 1.0, "backup_entropy": False},
            **{"bc_steps": 0, "cql_importance_sample": True, "cql_lagrange": False, "cql_temp": 1.0},
            **{"cql_max_target_backup": False, "target_update_period": 1, "max_action": cvae.MAX_ACTION},
        },
        losses=_cql_losses,
        critics=OrthogonalCritics,
        states=states_of(golden),
    )


def _rlkit_policy(golden: Golden) -> Places:
    return heads(layers(golden, "actor"), "actor/mean", "actor/log_std", "policy/parameters")


def _squared_errors(step: Step, target: Array) -> Mapping[str, Array]:
    """Return both critics' errors to the target before their step, and its mean."""
    q = step.values(TwinCritics, step.batch.observation, step.batch.action)
    first, second = jnp.square(q - target[:, None]).mean(axis=0)
    return {"losses/qf1_loss": first, "losses/qf2_loss": second, "losses/target_q": target.mean()}


def _temperature(step: Step, log_density: Array) -> Mapping[str, Array]:
    loss, _ = temperature_loss(step.before.log_temperature.parameters, log_density, step.before.sizes.action.true)
    return {"losses/log_pi": log_density.mean(), "losses/alpha_loss": loss}


def _sac_losses(step: Step) -> Mapping[str, Array]:
    """Return what rlkit reports, α after its step."""
    before, temperature = step.before, jnp.exp(step.after.log_temperature.parameters)
    target = sac.target(before, step.batch, step.noise.next_action, temperature, step.knobs.discount)
    _, log_density = sac.sample(before, before.policy.parameters, step.batch.observation, step.noise.action)
    return {**_squared_errors(step, target), **_temperature(step, log_density), "losses/alpha": temperature}


def _bear_losses(step: Step) -> Mapping[str, Array]:
    """Return what BEAR's trainer reports: α after its step, the policy's loss with the new CVAE and critics."""
    before = replace(step.before, cvae=step.after.cvae)
    policy, critics = before.policy.parameters, step.after.critics.parameters
    loss, _ = bear.policy_loss(policy, before, critics, step.batch, step.noise, step.knobs)
    return {
        **_squared_errors(step, bear.target(before, step.batch, step.noise.next_action, step.knobs)),
        "losses/alpha": step.metrics["multiplier"],
        "losses/policy_loss": loss,
        "losses/mmd": step.metrics["mmd"],
    }


def _bear_mean(state: bear.State, batch: Transition, draws: Array) -> Array:
    """Return the tanh of the policy's mean."""
    no_noise = jnp.zeros_like(batch.action)[:, None]
    return jnp.tanh(bear.policy_samples(state, state.policy.parameters, batch.observation, no_noise))[:, 0]


def _cql_losses(step: Step) -> Mapping[str, Array]:
    """Return what `ContinuousCQL.train` reports, all of it on the networks before the update."""
    before, noise = step.before, step.noise
    batch = cql.conditioned(before, step.batch, step.knobs)
    policy, temperature = before.policy.parameters, jnp.exp(before.log_temperature.parameters)
    policy_loss, log_density = cql.policy_loss(policy, before, batch, noise.action, temperature)
    actions, candidate_density = cql.candidates(before, batch, noise)
    observations = jnp.broadcast_to(batch.observation, (*actions.shape[:-1], batch.observation.shape[-1]))
    data_q = step.values(OrthogonalCritics, batch.observation, batch.action)
    candidate_q = step.values(OrthogonalCritics, observations, actions)
    gaps = conservative_gap(candidate_q, candidate_density, data_q).mean(axis=0)
    target = cql.target(before, batch, noise.next_action, step.knobs.discount)
    errors = jnp.square(data_q - target[:, None]).mean(axis=0)
    # without reward, end and discount a target is the value of the next state
    following = batch._replace(reward=jnp.zeros_like(batch.reward), bootstrap=jnp.ones_like(batch.bootstrap))
    return {
        **{f"losses/qf{number + 1}_loss": errors[number] for number in (0, 1)},
        **{f"losses/cql_qf{number + 1}_diff": gaps[number] for number in (0, 1)},
        **_temperature(step, log_density),
        "losses/policy_loss": policy_loss,
        "losses/alpha": temperature,
        "losses/average_target_q": cql.target(before, following, noise.next_action, 1.0).mean(),
    }
