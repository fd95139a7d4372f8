"""Golden files of BCQ: everything is trained together, with the noise of each update in the file."""

import itertools
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from plas_jax.algorithms import bcq
from plas_jax.types import Parameters
from plas_jax.verification.parity.golden import Golden, Tensors, paired


def replay_bcq(golden: Golden) -> Tensors:
    """Return every tensor of the file beside ours, made by `bcq.update` of the same batches and noise."""
    state, knobs, moments, update = first_state(golden), knobs_of(golden), golden.moments(), jax.jit(bcq.update)
    tensors: Tensors = {}
    for step, (batch, noise) in enumerate(zip(golden.batches(), noises(golden), strict=True), 1):
        state, _ = update(state, batch, noise, knobs)
        if step in moments:
            moment = f"after_{step}"
            tensors |= paired(f"{moment}/vae", state.cvae.parameters, golden.cvae(moment))
            tensors |= paired(f"{moment}/actor", state.perturbation.parameters, perturbation(golden, moment))
            target = perturbation(golden, moment, "actor_target")
            tensors |= paired(f"{moment}/actor_target", state.perturbation_target, target)
            tensors |= paired(f"{moment}/critic", state.critics.parameters, golden.critics(moment))
            tensors |= paired(f"{moment}/critic_target", state.critic_targets, golden.critics(moment, "critic_target"))
    return tensors


def knobs_of(golden: Golden) -> bcq.Knobs:
    """Return the run's knobs."""
    return bcq.Knobs(
        perturbation_limit=golden.setting("max_perturbation"),
        latent_limit=golden.setting("latent_clip"),
        clip_weight=golden.setting("lmbda"),
        discount=golden.setting("discount"),
        polyak=golden.setting("tau"),
        policy_learning_rate=golden.setting("actor_lr"),
        critic_learning_rate=golden.setting("critic_lr"),
        cvae_learning_rate=golden.setting("vae_lr"),
    )


def noises(golden: Golden) -> Iterator[bcq.Noise]:
    """Return the noise of each update, in order. Row `candidates·i + j` of a target's is candidate j of state i."""
    posterior, latent = golden.array("noise/posterior"), golden.array("noise/actor")
    candidates = (golden.updates, golden.batch_size, golden.whole("sampled_actions"))
    next_latent = golden.array("noise/target").reshape(*candidates, -1)
    columns = (map(jnp.asarray, noise) for noise in (posterior, next_latent, latent))
    return itertools.starmap(bcq.Noise, zip(*columns, strict=True))


def perturbation(golden: Golden, moment: str, net: str = "actor") -> Parameters:
    """Return the parameters of `actor` or `actor_target`."""
    return {"params": {"Perceptron_0": golden.perceptron(f"{moment}/{net}", ["l1", "l2", "l3"])}}


def first_state(golden: Golden) -> bcq.State:
    """Return the run before its first update."""
    architecture = bcq.Architecture(
        policy_widths=golden.widths("actor", ["l1", "l2"]),
        critic_widths=golden.widths("critic", ["l1", "l2"]),
        cvae_width=golden.widths("vae", ["e1"])[0],
        batch_size=golden.batch_size,
        target_candidates=golden.whole("sampled_actions"),
    )
    networks = golden.cvae("init"), perturbation(golden, "init"), golden.critics("init")
    return bcq.around(architecture, golden.sizes(), *jax.tree.map(jnp.asarray, networks))
