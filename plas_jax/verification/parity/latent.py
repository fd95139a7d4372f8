"""Golden files of methods that act through a CVAE: PLAS, which freezes it first, and BCQ, which trains all together."""

from collections.abc import Mapping

import jax.numpy as jnp

from plas_jax.algorithms import bcq, behaviour, plas
from plas_jax.models.cvae import CVAE
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.types import Array
from plas_jax.verification.parity.golden import Golden
from plas_jax.verification.parity.layers import Places, chain, critic_places, hidden_widths, layers
from plas_jax.verification.parity.settings import architecture, knobs, shapes_of
from plas_jax.verification.parity.training import Draw, Step, Training, in_rows


def cvae_places(place: str) -> Places:
    """Return where the layers of the net `vae` stand."""
    return {
        **chain(["vae/e1", "vae/e2"], f"{place}/params/encoder"),
        "vae/mean": (f"{place}/params/latent_mean",),
        "vae/log_std": (f"{place}/params/latent_log_std",),
        **chain(["vae/d1", "vae/d2", "vae/d3"], f"{place}/params/decoder"),
    }


def cvae_of_plas(golden: Golden) -> Training:
    """Return the first training of PLAS, that of the CVAE."""
    return Training(
        algorithm=behaviour.BEHAVIOUR,
        architecture=architecture(golden, behaviour.Architecture),
        places=cvae_places("cvae/parameters"),
        knobs=knobs(golden, behaviour.Knobs, learning_rate="vae_lr", latent_limit="max_latent_action"),
        noise=(Draw("vae_noise"),),
        losses=_cvae_losses,
        acts=None,
    )


def policy_of_plas(golden: Golden, parts: tuple[str, ...]) -> Training:
    """Return the second training of PLAS, whose net `actor` has these parts of ours, one after the other.

    One without a perturbation layer gets a layer of zeros, which ε = 0 silences.
    """
    places, sizes = dict(critic_places(golden)), golden.sizes()
    for net, place in (("actor", "policy/parameters"), ("actor_target", "policy_target")):
        names = layers(golden, net)
        depth = len(names) // len(parts)
        for number, part in enumerate(parts):
            places |= chain(names[number * depth :][:depth], f"{place}/{part}/params/Perceptron_0")
    shapes = architecture(golden, plas.Architecture, policy_widths=hidden_widths(golden, "actor", len(parts)))
    limit = golden.setting("max_perturbation") if "perturbation" in parts else 0.0
    return Training(
        algorithm=plas.PLAS,
        architecture=shapes,
        inputs=(shapes_of(CVAE(sizes, shapes.cvae_width), sizes.observation, sizes.action, sizes.latent),),
        places=places,
        knobs=knobs(
            golden, plas.Knobs, perturbation_limit=limit, latent_limit="max_latent_action", clip_weight="lmbda"
        ),
        inherited="cvae",
        critics=TwinCritics,
        targets_are_copies=True,
    )


def _cvae_losses(step: Step) -> Mapping[str, Array]:
    """Return total, reconstruction error and KL before the update."""
    return {"vae_losses": jnp.stack([step.metrics[name] for name in ("cvae_loss", "reconstruction_error", "kl")])}


def batch_constrained(golden: Golden) -> Training:
    """Return the training of BCQ."""
    return Training(
        algorithm=bcq.BCQ,
        architecture=architecture(golden, bcq.Architecture, target_candidates="sampled_actions"),
        places={
            **cvae_places("cvae/parameters"),
            **chain(layers(golden, "actor"), "perturbation/parameters/params/Perceptron_0"),
            **chain(layers(golden, "actor_target"), "perturbation_target/params/Perceptron_0"),
            **critic_places(golden),
        },
        knobs=knobs(golden, bcq.Knobs, latent_limit="latent_clip", clip_weight="lmbda"),
        noise=(Draw("noise/posterior"), Draw("noise/target", in_rows), Draw("noise/actor")),
        targets_are_copies=True,
    )
