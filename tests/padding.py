"""What a padded state and that of the same run at its true sizes must have in common, leaf by leaf."""

import jax
import numpy as np

from plas_jax.types import Sizes

ALONE, WIDE = Sizes.of(11, 3), Sizes.of(17, 6)
PADDED = ALONE.padded_to(WIDE)


def named_leaves(tree):
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def true_places(length, padded_length):
    """Where an axis of a padded leaf is not padding, bool `[padded_length]`, given its length at the true sizes."""
    masks = [np.asarray(axis.mask()) > 0 for axis in (PADDED.observation, PADDED.action, PADDED.latent)]
    masks += [np.concatenate([masks[0], other]) for other in masks[1:]] + [np.ones(length, bool)]
    return next(mask for mask in masks if len(mask) == padded_length and mask.sum() == length)


def true_part(leaf, alone):
    """The index of what is not padding in a leaf, given the same leaf at the true sizes."""
    return np.ix_(*(true_places(*lengths) for lengths in zip(alone.shape, leaf.shape, strict=True)))


def assert_padding_is_untouched(padded, alone):
    """Zeros in the padding of every leaf, or ones of standard deviations; returns how many leaves have padding."""
    with_padding, alone = 0, named_leaves(alone)
    for path, leaf in named_leaves(padded).items():
        outside = np.ones(leaf.shape, bool)
        outside[true_part(leaf, alone[path])] = False
        assert (leaf[outside] == path.endswith("observation_std")).all(), path
        with_padding += outside.any()
    return with_padding


def relative_errors(ours, theirs):
    """For each leaf max|a − b| / max|b| over its true part, 0 where both are the same.

    Mean gradients cancel, so first moments are measured by the gradients' size: by the root of their second moments.
    """
    ours, theirs, errors = named_leaves(ours), named_leaves(theirs), {}
    assert ours.keys() == theirs.keys()
    for path, leaf in theirs.items():
        difference = np.abs(np.float64(ours[path][true_part(ours[path], leaf)]) - leaf).max(initial=0)
        scale = np.sqrt(theirs[path.replace("/mu/", "/nu/")].max()) if "/mu/" in path else np.abs(leaf).max(initial=0)
        errors[path] = difference / scale if difference else 0.0
    return errors


def worst(errors):
    """The name of the largest error and the error."""
    name = max(errors, key=errors.get)
    return name, errors[name]
