"""What the gate measures: each against its definition, literally; padding changes none; visits repeat themselves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from padding import ALONE, PADDED
from small_runs import quickly_compiled, random_batch

from plas_jax.algorithms import bcq, behaviour, cloning, plas, rebrac
from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.datasets.minibatch import Rows, concatenate
from plas_jax.evaluation.probe_rows import ROWS, TERMINAL_ROWS, ProbeRows, probe_rows
from plas_jax.evaluation.returns import Stage
from plas_jax.methods.method import Method, Phase
from plas_jax.methods.presets import PAPER_KNOBS
from plas_jax.models.cvae import CVAE
from plas_jax.models.twin_critics import TwinCritics
from plas_jax.training import chunk
from plas_jax.training.phases import LAST_PHASE, first_batch, pairs_of, part_of, stacked_sizes
from plas_jax.verification.gate import data_measures as measures
from plas_jax.verification.gate.draws import draw_measures
from plas_jax.verification.gate.gradients import gradient_measures
from plas_jax.verification.gate.run_measures import Trained, run_measures
from plas_jax.verification.gate.visits import replay_visit, visit

SHAPES = plas.Architecture((8, 8), (8, 8), 8, 16)
KNOBS = PAPER_KNOBS._replace(perturbation_limit=0.2)


def probe(sizes=ALONE):
    rows, terminal = random_batch(1, sizes, 24), random_batch(2, sizes, 5)
    return ProbeRows(rows, terminal, np.array(True))


def plas_state(sizes=ALONE):
    cvae = behaviour.init(jax.random.key(1), behaviour.Architecture(8, 16), sizes).cvae.parameters
    state = plas.init(jax.random.key(0), SHAPES, sizes, cvae)
    # Targets and critics start alike: move the targets.
    return state.replace(critic_targets=jax.tree.map(lambda leaf: 0.5 * leaf, state.critic_targets)), cvae


def measured(sizes=ALONE, **changes):
    state, cvae = plas_state(sizes)
    return run_measures(plas.PLAS, Trained(state.replace(**changes), KNOBS, jax.random.key(3), cvae), probe(sizes))


def q_of(parameters, observation, action):
    return np.asarray(TwinCritics(ALONE, (8, 8)).apply(parameters, observation, action), np.float64)


def action_of(state, observation, limit=0.2):
    return np.asarray(plas.act(state, observation, None, KNOBS._replace(perturbation_limit=limit)), np.float64)


def test_critics_are_measured_by_their_definitions():
    (state, _), found, of = plas_state(), measured(), probe()
    rows = of.rows
    q = q_of(state.critics.parameters, rows.observation, rows.action)
    following = action_of(state, rows.next_observation)
    next_q = q_of(state.critics.parameters, rows.next_observation, following).min(axis=1)
    errors = [
        abs(rows.reward[i] + (0.99 * next_q[i] if rows.bootstrap[i] else 0.0) - q[i, critic])
        for i in range(24)
        for critic in range(2)
    ]
    of_policy = q_of(state.critics.parameters, rows.observation, action_of(state, rows.observation))
    expected = {
        "mean_q": q.mean(),
        "terminal_q": q_of(state.critics.parameters, of.terminal.observation, of.terminal.action).mean(),
        "td_error": np.mean(errors),
        "policy_gain": (of_policy[:, 0] - q[:, 0]).mean(),
        "critics_apart": np.abs(q[:, 0] - q[:, 1]).mean(),
        "targets_apart": np.abs(q_of(state.critic_targets, rows.observation, rows.action) - q).mean(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name


def test_actions_are_measured_by_their_definitions():
    (state, _), found, rows = plas_state(), measured(), probe().rows
    action = action_of(state, rows.observation)
    assert found["action_error"] == pytest.approx(np.abs(action - rows.action).mean(), rel=1e-5)
    assert found["action_size"] == pytest.approx(np.abs(action).mean(), rel=1e-5)
    distance = np.abs(action - action_of(state, rows.observation, 0.0)).mean()
    assert found["action_distance"] == pytest.approx(distance, rel=1e-4)
    assert 0 < distance <= 0.2


def test_the_cvae_is_measured_by_its_definitions():
    (_, cvae), found, rows = plas_state(), measured(), probe().rows
    posterior = CVAE(ALONE, 8).apply(cvae, rows.observation, rows.action, method=CVAE.encode)
    mean, std = np.asarray(posterior.mean, np.float64), np.asarray(posterior.std, np.float64)
    terms = [[-0.5 * (1 + np.log(s * s) - m * m - s * s) for m, s in zip(*of, strict=True)]
             for of in zip(mean, std, strict=True)]  # fmt: skip
    assert found["kl"] == pytest.approx(np.mean(terms), rel=1e-4)
    assert found["reconstruction_error"] > 0


def test_a_frozen_decoder_does_not_drift_and_a_trained_one_does():
    _, cvae = plas_state()
    assert measured()["cvae_drift"] == 0
    assert measured(cvae=jax.tree.map(lambda leaf: 1.01 * leaf, cvae))["cvae_drift"] > 1e-5


def test_without_terminals_there_is_no_terminal_q():
    state, cvae = plas_state()
    of = probe()._replace(has_terminals=np.array(False))
    assert jnp.isnan(run_measures(plas.PLAS, Trained(state, KNOBS, jax.random.key(3), cvae), of)["terminal_q"])


def test_padding_changes_no_measure():
    alone, padded = measured(ALONE), measured(PADDED)
    assert alone.keys() == padded.keys()
    for name, value in alone.items():
        assert padded[name] == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


def test_a_method_is_measured_by_what_it_has():
    of_cloning = cloning.init(jax.random.key(0), cloning.Architecture((8, 8), 16), ALONE)
    found = run_measures(cloning.CLONING, Trained(of_cloning, cloning.Knobs(), jax.random.key(1)), probe())
    assert found.keys() == {"action_error", "action_size"}
    shapes = bcq.Architecture((8, 8), (8, 8), 8, 16, 3, 4)
    of_bcq = bcq.init(jax.random.key(0), shapes, ALONE)
    found = run_measures(bcq.BCQ, Trained(of_bcq, bcq.Knobs(), jax.random.key(1)), probe())
    assert {"kl", "action_distance", "mean_q"} <= found.keys()
    assert "cvae_drift" not in found
    # Its critics are layer-normalised: nothing here knows how to ask them.
    shapes = rebrac.Architecture()._replace(policy_widths=(8, 8, 8), critic_widths=(8, 8, 8))
    of_rebrac = rebrac.init(jax.random.key(0), shapes, ALONE)
    found = run_measures(rebrac.REBRAC, Trained(of_rebrac, rebrac.Knobs(), jax.random.key(1)), probe())
    assert "mean_q" not in found


# Rows


def two_sets():
    """A set with a terminal in every fifth row, and one without any; the reward is a row's own speed and action."""
    generator = np.random.default_rng(0)
    sets = []
    for rows, every in ((400, 5), (300, 10_000)):
        batch = random_batch(int(generator.integers(1000)), ALONE, rows)
        reward = 2 * batch.next_observation[:, 5] + 1 - 0.1 * np.square(batch.action).sum(axis=1)
        sets.append(batch._replace(reward=reward, bootstrap=(np.arange(rows) % every != every - 1).astype(np.float32)))
    return concatenate(sets, 700, 11, 3)


# What an update depends on


def gradients_of(update):
    """The measures of PLAS with another update, on a state whose copies differ."""
    state, _ = plas_state()
    state = state.replace(policy_target=jax.tree.map(lambda leaf: 0.7 * leaf, state.policy_target))
    run = Trained(state, jax.tree.map(np.float32, KNOBS), jax.random.key(3))
    return quickly_compiled(partial(gradient_measures, plas.PLAS._replace(update=update)))(run, probe())


def test_a_gradient_depends_on_the_networks_of_its_equations_and_on_no_other():
    found = gradients_of(plas.PLAS.update)
    assert found["gradient_of_critics_on_policy"] == 0
    for other in ("policy_target", "critic_targets", "cvae"):
        assert found[f"gradient_of_critics_on_{other}"] > 3e-6
    assert found["gradient_of_policy_on_critics"] > 10 * found["gradient_of_policy_on_critic_targets"]
    assert set(found) == {
        f"gradient_of_{one}_on_{other}"
        for one in ("policy", "critics")
        for other in ("policy", "policy_target", "critics", "critic_targets", "cvae")
        if one != other
    }


def test_a_target_by_the_online_policy_and_a_policy_that_ascends_the_targets_are_seen():
    found = gradients_of(
        lambda state, *others: plas.update(state.replace(policy_target=state.policy.parameters), *others)
    )
    assert found["gradient_of_critics_on_policy_target"] == 0
    assert found["gradient_of_critics_on_policy"] > 3e-6

    def on_targets(state, batch, noise, knobs):
        after, metrics = plas.update(state, batch, noise, knobs)
        climbed, _ = plas.update(
            state.replace(critics=state.critics.replace(parameters=state.critic_targets)),
            batch, noise, knobs._replace(critic_learning_rate=0.0),
        )  # fmt: skip
        return after.replace(policy=climbed.policy), metrics

    found = gradients_of(on_targets)
    assert found["gradient_of_policy_on_critics"] == 0
    assert found["gradient_of_policy_on_critic_targets"] > 1e-2


# What is drawn


@pytest.fixture
def draws():
    """The measures of two runs' draws from two data sets of other sizes, in the loop as it now is."""
    jax.clear_caches()  # of the loop before it was changed
    method = Method("bc", Phase(cloning.CLONING, cloning.Architecture((8, 8), 16), cloning.Knobs(), 1))
    pairs = pairs_of(["large", "small"], [0])
    rows = concatenate([random_batch(1, ALONE, 300), random_batch(2, ALONE, 70)], 370, ALONE.observation.padded, 3)
    part = part_of(method, LAST_PHASE, pairs)
    batch, runs = first_batch(part, rows, pairs, (stacked_sizes([ALONE, ALONE]),))
    yield lambda: draw_measures(part, batch, runs, rows, pairs)
    jax.clear_caches()


def test_rows_are_drawn_from_all_of_the_data_and_noise_has_keys_of_its_own(draws):
    found = draws()
    assert found["shared_keys"].tolist() == [0, 0]
    assert (found["drawn_unevenly"] < 3).all()  # χ² of nine degrees of freedom is beyond 27 once in a thousand times


def test_a_tenth_that_is_never_drawn_is_seen(draws, monkeypatch):
    whole = chunk.minibatch
    monkeypatch.setattr(
        chunk, "minibatch", lambda key, rows, start, size, n: whole(key, rows, start, size * 9 // 10, n)
    )
    assert (draws()["drawn_unevenly"] > 10).all()


@pytest.mark.parametrize("kept", ["rows", "noise"], ids=["as the rows", "as before"])
def test_a_key_that_is_used_twice_is_seen(draws, monkeypatch, kept):
    split = jax.random.split

    def both(key):
        return (split(key)[0],) * 2 if kept == "rows" else (split(key)[0], jax.random.key(0))

    monkeypatch.setattr(chunk.jax.random, "split", lambda key, *counts: split(key, *counts) if counts else both(key))
    assert draws()["shared_keys"].min() >= 0.99


def test_probe_rows_are_evenly_spaced_and_of_their_own_set():
    rows = two_sets()
    found = probe_rows(rows)
    assert found.rows.reward.shape == (2, ROWS)
    assert found.terminal.reward.shape == (2, TERMINAL_ROWS)
    np.testing.assert_array_equal(found.has_terminals, [True, False])
    assert (found.terminal.bootstrap[0] == 0).all()
    np.testing.assert_array_equal(found.rows.reward[0, [0, -1]], rows.transitions.reward[[0, 399]])
    np.testing.assert_array_equal(found.rows.reward[1, [0, -1]], rows.transitions.reward[[400, 699]])


def data_measures(rows, dataset):
    whole = measures.rows_of_dataset(rows, dataset)
    return measures.data_measures(whole, measures.reward_weights(whole))


def minibatch_measures(rows, dataset, key):
    weights = measures.reward_weights(measures.rows_of_dataset(rows, dataset))
    return measures.minibatch_measures(rows, dataset, key, weights)


def shifted(rows: Rows):
    reward = np.roll(rows.transitions.reward, 1)
    return rows._replace(transitions=rows.transitions._replace(reward=reward))


def test_data_are_measured_by_their_definitions():
    found = data_measures(two_sets(), 0)
    assert found["transitions"] == 400
    assert found["masked_targets"] == pytest.approx(0.2)
    assert found["mean_reward"] == pytest.approx(two_sets().transitions.reward[:400].mean(), rel=1e-6)
    assert found["reward_alignment"] == pytest.approx(1.0, abs=1e-6)
    assert data_measures(two_sets(), 1)["masked_targets"] == 0


def test_rewards_of_other_rows_are_seen():
    assert data_measures(shifted(two_sets()), 0)["reward_alignment"] < 0.5
    assert minibatch_measures(shifted(two_sets()), 0, jax.random.key(0))["drawn_reward_alignment"] < 0.5
    clean = minibatch_measures(two_sets(), 0, jax.random.key(0))
    assert clean["drawn_reward_alignment"] == pytest.approx(1.0, abs=1e-6)
    assert clean["drawn_masked_targets"] == pytest.approx(0.2, abs=0.05)


# Visits


def swinging(observation, step):
    return np.tanh(observation[..., :3] + np.sin(0.3 * step)).astype(np.float32)


@pytest.fixture
def hoppers():
    stage = Stage([ENVIRONMENTS["hopper"]] * 2, 2, 60, "d4rl")
    yield stage
    stage.close()


SEEDS = [[0, 1], [2, 3]]
replayed = partial(replay_visit, environments=[ENVIRONMENTS["hopper"]] * 2, seeds=SEEDS, dynamics="d4rl", discount=0.99)


def test_what_was_done_earns_what_was_counted(hoppers):
    found = visit(hoppers, swinging, SEEDS, np.array([True, True]), 11)
    again = replayed(found)
    np.testing.assert_array_equal(again.episode_return, found.returns.episode_return)
    assert found.observation.shape[1:] == (2, 2, 11)
    assert (np.abs(again.discounted_return) < np.abs(again.episode_return)).all()
    assert (found.returns.episode_length > 5).all()


def test_an_evaluation_that_does_something_else_is_seen(hoppers, monkeypatch):
    def noisy(self, act, *rest):
        return play(self, lambda observation, step: act(observation, step) + np.float32(0.05), *rest)

    play = Stage.play
    monkeypatch.setattr(Stage, "play", noisy)
    found = visit(hoppers, swinging, SEEDS, np.array([True, True]), 11)
    assert (np.abs(replayed(found).episode_return - found.returns.episode_return) > 1e-3).all()


def test_a_run_that_is_not_played_has_no_return(hoppers):
    found = visit(hoppers, swinging, SEEDS, np.array([True, False]), 11)
    assert np.isnan(found.returns.episode_return[1]).all()
    assert np.isfinite(found.returns.episode_return[0]).all()
