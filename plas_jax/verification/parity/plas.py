"""Golden files of PLAS: the CVAE is trained for all updates and frozen, then the policy is trained for as many."""

import jax
import jax.numpy as jnp

from plas_jax.algorithms import behaviour, plas
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Parameters
from plas_jax.verification.parity.golden import Golden, Tensors, paired


def replay_plas(golden: Golden) -> Tensors:
    """Return every tensor of the file beside ours, made by `behaviour.update` and `plas.update` of the same batches."""
    cvae, tensors = _replay_cvae(golden)
    return tensors | _replay_policy(golden, first_policy(golden, cvae))


def has_perturbation(golden: Golden) -> bool:
    """Tell whether the run had a perturbation layer."""
    return golden.config["algorithm"] == "LatentPerturbation"


def knobs_of(golden: Golden) -> plas.Knobs:
    """Return the run's knobs; ε is 0 where it had no perturbation layer."""
    return plas.Knobs(
        perturbation_limit=golden.setting("max_perturbation") if has_perturbation(golden) else 0.0,
        latent_limit=golden.setting("max_latent_action"),
        clip_weight=golden.setting("lmbda"),
        discount=golden.setting("discount"),
        polyak=golden.setting("tau"),
        policy_learning_rate=golden.setting("actor_lr"),
        critic_learning_rate=golden.setting("critic_lr"),
    )


def policy(golden: Golden, moment: str, net: str = "actor") -> Parameters:
    """Return the parameters of `actor` or `actor_target`: the latent policy and, if there is one, the perturbation."""
    parts = {"latent_policy": ["l1", "l2", "l3"]}
    if has_perturbation(golden):
        parts["perturbation"] = ["l4", "l5", "l6"]
    return {
        part: {"params": {"Perceptron_0": golden.perceptron(f"{moment}/{net}", layers)}}
        for part, layers in parts.items()
    }


def first_cvae(golden: Golden) -> behaviour.State:
    """Return the CVAE before its first update."""
    architecture = behaviour.Architecture(golden.widths("vae", ["e1"])[0], golden.batch_size)
    return behaviour.around(architecture, golden.sizes(), jax.tree.map(jnp.asarray, golden.cvae("init")))


def first_policy(golden: Golden, cvae: behaviour.State) -> plas.State:
    """Return the policy before its first update. A run without a perturbation layer gets one that ε = 0 silences."""
    policy_widths, critic_widths = golden.widths("actor", ["l1", "l2"]), golden.widths("critic", ["l1", "l2"])
    architecture = plas.Architecture(policy_widths, critic_widths, *cvae.architecture)
    shaped = jax.eval_shape(lambda: plas.init(jax.random.key(0), architecture, cvae.sizes, cvae.cvae.parameters))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shaped.policy.parameters)
    actor, critics = jax.tree.map(jnp.asarray, (policy(golden, "init"), golden.critics("init")))
    return plas.around(architecture, cvae.sizes, cvae.cvae.parameters, zeros | actor, critics)


def _replay_cvae(golden: Golden) -> tuple[behaviour.State, Tensors]:
    cvae, update = first_cvae(golden), jax.jit(behaviour.update)
    knobs, moments = behaviour.Knobs(golden.setting("vae_lr")), golden.moments()
    losses: list[list[float]] = []
    tensors: Tensors = {}
    for step, (batch, draw) in enumerate(zip(golden.batches(), golden.array("vae_noise"), strict=True), 1):
        cvae, metrics = update(cvae, batch, jnp.asarray(draw), knobs)
        losses.append([float(metrics[name]) for name in ("cvae_loss", "reconstruction_error", "kl")])
        if step in moments:
            tensors |= paired(f"after_{step}/vae", cvae.cvae.parameters, golden.cvae(f"after_{step}"))
    for column, name in enumerate(("total", "reconstruction", "kl")):
        theirs = golden.array("vae_losses")[:, column]
        tensors[f"vae_losses/{name}"] = ([row[column] for row in losses], theirs)
    return cvae, tensors


def _replay_policy(golden: Golden, state: plas.State) -> Tensors:
    knobs, moments, update = knobs_of(golden), golden.moments(), jax.jit(plas.update)
    tensors: Tensors = {}
    for step, batch in enumerate(golden.batches(), 1):
        state, _ = update(state, batch, None, knobs)
        if step in moments:
            moment = f"after_{step}"
            tensors |= paired(f"{moment}/actor", state.policy.parameters, policy(golden, moment))
            tensors |= paired(f"{moment}/actor_target", state.policy_target, policy(golden, moment, "actor_target"))
            tensors |= paired(f"{moment}/critic", state.critics.parameters, golden.critics(moment))
            tensors |= paired(f"{moment}/critic_target", state.critic_targets, golden.critics(moment, "critic_target"))
    first = next(golden.batches())
    critics = TwinCritics(state.sizes, state.architecture.critic_widths)
    q_values = jax.jit(critics.apply)(state.critics.parameters, first.observation, first.action)
    actions = jax.jit(plas.act)(state, first.observation, None, knobs)
    tensors["actions_after"] = (actions, golden.array("actions_after"))
    tensors["q_after"] = (q_values, golden.array("q_after"))
    return tensors
