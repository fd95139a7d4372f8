"""Laws that every method obeys."""

import chex
import jax
import numpy as np
from padding import ALONE
from small_methods import CASES, each_method
from small_runs import quickly_compiled, random_batch

FOLLOWED = {"critic_targets": "critics", "policy_target": "policy", "perturbation_target": "perturbation"}


@each_method
def test_targets_start_as_copies_and_no_memory_is_shared(name):
    state = CASES[name].init(jax.random.key(0), ALONE)
    for target, network in FOLLOWED.items():
        if hasattr(state, target):
            chex.assert_trees_all_equal(getattr(state, target), getattr(state, network).parameters)
    leaves = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)]
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


@each_method
def test_other_knobs_need_no_other_executable_and_train_otherwise(name):
    (algorithm, init, knobs), traces = CASES[name], []

    @quickly_compiled
    def update(state, knobs):
        traces.append(knobs)
        return algorithm.update(state, batch, noise, knobs)[0]

    state, batch = quickly_compiled(init)(jax.random.key(0), ALONE), random_batch(0)
    noise = algorithm.noise(jax.random.key(1), state.architecture, state.sizes)
    others = [jax.tree.map(np.float32, knobs), jax.tree.map(lambda knob: np.float32(0.5 * knob + 0.1), knobs)]
    ours, theirs = (jax.tree.leaves(update(state, each)) for each in others)
    assert len(traces) == 1
    assert all(np.isfinite(leaf).all() for leaf in ours + theirs if isinstance(leaf, jax.Array))
    assert any((a != b).any() for a, b in zip(ours, theirs, strict=True) if isinstance(a, jax.Array))
