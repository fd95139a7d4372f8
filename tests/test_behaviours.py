"""Behaviour policies: trained, snapshot, chosen and shipped."""

from itertools import islice, pairwise

import jax
import numpy as np
import pytest
import train_behaviours
from by_subprocess import ROOT, call_here

from plas_jax.commands.invocation import invoke
from plas_jax.datasets.catalogue import D4RL_MEAN_RETURN
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.models.gaussian_policy import GaussianPolicy, squashed_sample
from plas_jax.recipes import behaviours
from plas_jax.recipes.behaviour_policy import WEIGHTS, from_parameters, load_policies, save_policies, shipped
from plas_jax.recipes.levels import RUNGS, choose, ladder, level
from plas_jax.recipes.networks import restart, save_networks


@pytest.fixture(scope="module")
def trained():
    """The checkpoints of a very short run: 100 random steps, then 100 learned from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behaviours, "RANDOM_STEPS", 100)
        steps = []
        for at, _, returns in behaviours.train("hopper", 0, 200):
            steps.append((at.step, int(at.replay.size), returns, from_parameters(at.state.policy.parameters)))
        return steps, at


def test_it_learns_only_after_the_random_steps(trained):
    steps, _ = trained
    assert [(step, size) for step, size, *_ in steps] == [(50, 50), (100, 100), (150, 150), (200, 200)]
    kernels = [policy.mean[0] for *_, policy in steps]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[2] - kernels[1]).max() > 0
    assert np.abs(kernels[3] - kernels[2]).max() > 0
    assert any(returns for *_, returns, _ in steps)


def test_the_replay_holds_what_happened(trained):
    rows = jax.tree.map(np.asarray, trained[1].replay.rows)
    goes_on = rows.bootstrap[:-1] == 1
    assert 0 < goes_on.sum() < 199
    # where an episode goes on, the next row starts where this one ended
    np.testing.assert_array_equal(rows.next_observation[:-1][goes_on], rows.observation[1:][goes_on])
    assert np.abs(rows.next_observation[:-1][~goes_on] - rows.observation[1:][~goes_on]).max(axis=1).min() > 1e-3
    assert np.abs(rows.action).max() <= 1


def test_the_numpy_policy_is_the_flax_one(trained):
    state = trained[1].state
    generator = np.random.default_rng(0)
    observation, noise = generator.standard_normal((7, 11)), generator.standard_normal((7, 3))
    module = GaussianPolicy(state.sizes, state.architecture.policy_widths)
    mean, log_std = module.apply(state.policy.parameters, observation.astype(np.float32))
    theirs, _ = squashed_sample(mean, log_std, noise.astype(np.float32), state.sizes.action)
    ours = from_parameters(state.policy.parameters).sample(observation, noise)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_saved_ladder_comes_back_in_float16(trained, tmp_path):
    policy = from_parameters(trained[1].state.policy.parameters)
    save_policies(tmp_path / "ladder.npz", [policy, policy], {"seed": 3})
    policies, provenance = load_policies(tmp_path / "ladder.npz")
    assert provenance == {"seed": 3}
    assert len(policies) == 2
    for saved, kept in zip(jax.tree.leaves(policies[1]), jax.tree.leaves(policy), strict=True):
        np.testing.assert_array_equal(saved, kept.astype(np.float16))
    assert [path.name for path in tmp_path.iterdir()] == ["ladder.npz"]


def test_levels_by_hand():
    assert ladder([10, 20, 30, 40, 50, 60], 4, rungs=5) == [0, 1, 2, 3, 4]
    assert ladder([10, 20, 30, 40, 50, 60], 5, rungs=2) == [2, 5]
    assert ladder([10, 20], 1, rungs=10) == [0, 1]


def test_the_policy_to_ship_is_chosen_by_a_rule():
    """Ten episodes each, then a hundred for the five nearest: what looked best after ten may not be."""
    rough = [900.0, 1500.0, 1400.0, 1444.0, 1300.0, 1420.0, 2000.0]
    fine = {1: 1422.0, 2: 1400.0, 3: 1100.0, 4: 1300.0, 5: 1000.0}
    played = []

    def play(place, episodes):
        played.append((place, episodes))
        return rough[place] if episodes == 10 else fine.get(place, 3000.0)

    assert choose(range(7), play, 1422.0) == 1
    assert played == [(place, 10) for place in range(7)] + [(place, 100) for place in (1, 2, 3, 4, 5)]
    assert choose([0, 2, 4], lambda place, _: rough[place], None) == 2


def test_a_level_is_that_of_its_own_dynamics():
    policy = load_policies(shipped("hopper"))[0][-1]
    once, again = level(policy, "hopper", 3, 0), level(policy, "hopper", 3, 0)
    assert once == again
    assert level(policy, "hopper", 3, 0, "gymnasium") != once


@pytest.mark.parametrize("environment", LOCOMOTION)
@pytest.mark.parametrize("wanted", ["medium", "expert"])
def test_shipped_policies_have_provenance_and_earn_what_they_must(environment, wanted):
    policies, provenance = load_policies(shipped(environment, wanted))
    assert 1 <= len(policies) <= (RUNGS if wanted == "medium" else 1)
    assert len(provenance["steps"]) == len(provenance["returns"]) == len(policies)
    assert {"script", "seed", "seams", "dynamics", "environment"} <= set(provenance)
    assert close(environment, wanted, provenance["returns"][-1])


def close(environment, wanted, mean):
    """Within 15 % of D4RL's mean return, and an expert's may be better than that."""
    share = mean / D4RL_MEAN_RETURN[environment][wanted]
    return share >= 0.85 and (wanted == "expert" or share <= 1.15)


def test_shipped_weights_are_small():
    shipped_files = [*WEIGHTS.glob("*.npz"), *(ROOT / "experiments" / "behaviours").glob("*.npz")]
    assert len(shipped_files) >= 9
    assert sum(path.stat().st_size for path in shipped_files) < 8 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize("environment", LOCOMOTION)
@pytest.mark.parametrize("wanted", ["medium", "expert"])
def test_returns_of_other_episodes_are_at_their_level_too(environment, wanted):
    policy = load_policies(shipped(environment, wanted))[0][-1]
    assert close(environment, wanted, level(policy, environment, 100, 1).mean)


@pytest.mark.slow
def test_training_resumes_from_its_checkpoint_and_ships(tmp_path, monkeypatch):
    """A run is stopped after a checkpoint, goes on, and names the seam; the rule then chooses among its snapshots."""
    arguments = ["--environment=hopper", f"--output={tmp_path}", "--steps=300"]
    monkeypatch.setattr(behaviours, "RANDOM_STEPS", 150)
    monkeypatch.setattr(train_behaviours, "SNAPSHOT_STEPS", 100)
    monkeypatch.setattr(train_behaviours, "CHECKPOINT_STEPS", 100)

    def sitting():
        return invoke(train_behaviours.run, train_behaviours.FLAGS, train_behaviours.__doc__, arguments)

    with monkeypatch.context() as five_chunks:
        five_chunks.setattr(train_behaviours, "train", lambda *request: islice(behaviours.train(*request), 5))
        assert sitting() == 0
    assert not (tmp_path / "hopper-0" / "seams.json").exists()
    assert sitting() == 0
    assert (tmp_path / "hopper-0" / "seams.json").read_text() == "[200]"
    names = sorted(path.name for path in (tmp_path / "hopper-0").glob("actor_*.npz"))
    assert names == [f"actor_{step:08d}.npz" for step in (100, 200, 300)]
    assert load_policies(tmp_path / "hopper-0" / names[-1])[1]["seams"] == [200]


def test_commands_refuse_what_they_cannot_do(tmp_path):
    for script, arguments in (
        ("ship_behaviours", [str(tmp_path)]),
        ("ship_behaviours", []),
        ("train_behaviours", ["--environment=ant"]),
        ("train_behaviours", ["stray"]),
    ):
        done = call_here(ROOT / "experiments" / f"{script}.py", *arguments)
        assert done.returncode != 0
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_goes_on_from_its_networks_alone(trained, tmp_path, monkeypatch):
    """Its transitions are gone: its policy refills the buffer first, and it learns once there are enough."""
    state = trained[1].state
    save_networks(tmp_path / "networks.npz", state, {"environment": "hopper", "step": 6000, "seams": [300]})
    assert (tmp_path / "networks.npz").stat().st_size < 2**19
    start, record = restart(tmp_path / "networks.npz", "hopper", 0, 6300)
    assert record["seams"] == [300]
    assert (start.step, int(start.replay.size)) == (6000, 0)
    kept = [start.state.policy.parameters, start.state.critics.parameters, start.state.critic_targets]
    before = [state.policy.parameters, state.critics.parameters, state.critics.parameters]
    for one, other in zip(jax.tree.leaves(kept), jax.tree.leaves(before), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    monkeypatch.setattr(behaviours, "REFILL_STEPS", 100)
    kernels, actions = [np.asarray(from_parameters(start.state.policy.parameters).mean[0])], []
    for at in behaviours.train("hopper", 0, 6200, start):
        kernels.append(from_parameters(at.checkpoint.state.policy.parameters).mean[0])
        actions.append(at.columns["actions"])
    changes = [np.abs(after - earlier).max() for earlier, after in pairwise(kernels)]
    assert changes[:2] == [0.0, 0.0]
    assert min(changes[2:]) > 0
    assert not np.array_equal(actions[0], actions[1])


def test_networks_of_another_run_are_refused(trained, tmp_path):
    save_networks(tmp_path / "networks.npz", trained[1].state, {"environment": "hopper", "step": 10, "seams": []})
    with pytest.raises(ValueError, match="not the networks of a run in walker2d"):
        restart(tmp_path / "networks.npz", "walker2d", 0, 100)
