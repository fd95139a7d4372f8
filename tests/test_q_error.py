"""Q errors: on a policy and a critic whose true values are known, past the time limit, and by hand."""

import gymnasium
import numpy as np
import pytest

from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.environments.own import environment
from plas_jax.evaluation.q_error import Rollouts, error_of, lengthened, q_errors, returns_ahead
from plas_jax.evaluation.returns import Stage

LIMIT, DISCOUNT, KEPT, WIDTH = 12, 0.9, 0.5, 3


class Fading(gymnasium.Env):
    """One number that halves at each step, and is the reward; the episode ends where it is told to."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, last=10**9):
        self.last = last

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.number, self.steps = np.float64(self.np_random.uniform(1.0, 2.0)), 0
        return np.array([self.number], np.float32), {}

    def step(self, action):
        reward, self.number, self.steps = self.number, KEPT * self.number, self.steps + 1
        return np.array([self.number], np.float32), reward, self.steps >= self.last, False, {}


@pytest.fixture(scope="module")
def facts():
    for name, last in (("Fading-v0", 10**9), ("Ending-v0", 7)):
        gymnasium.register(f"q/{name}", Fading, max_episode_steps=LIMIT, kwargs={"last": last})
    yield {name: environment(f"q/{name}-v0") for name in ("Fading", "Ending")}
    for name in ("Fading", "Ending"):
        del gymnasium.registry[f"q/{name}-v0"]


def true_value(observation, _):
    """Σ_{k<H} (γ/2)^k x, of the state alone: every action earns the same."""
    return observation[..., 0] * (1 - (KEPT * DISCOUNT) ** LIMIT) / (1 - KEPT * DISCOUNT)


def rolled(facts, values, active=(True, True), episodes=4):
    stage = Stage([lengthened(facts, LIMIT)] * 2, episodes, None, "d4rl")
    rollouts = Rollouts(
        lambda observation, step: np.zeros((*observation.shape[:2], 1), np.float32),
        values,
        np.full(2, DISCOUNT),
        np.full(2, LIMIT),
        np.array(active),
    )
    seeds = [list(range(10 * run, 10 * run + episodes)) for run in range(2)]
    try:
        return q_errors(stage, rollouts, seeds, WIDTH)
    finally:
        stage.close()


def test_true_values_have_no_error_since_rollouts_go_on_past_the_limit(facts):
    for error in rolled(facts["Fading"], true_value):
        assert error.transitions == 4 * LIMIT
        assert error.mean_squared_error < 1e-10
        assert error.mean_q == pytest.approx(error.mean_return, abs=1e-6)


@pytest.mark.parametrize(("shift", "share"), [(0.25, 1.0), (-0.25, 0.0)])
def test_a_critic_that_is_off_by_so_much_has_that_error(facts, shift, share):
    first, second = rolled(facts["Fading"], lambda observation, action: true_value(observation, action) + shift)
    for error in (first, second):
        assert error.mean_squared_error == pytest.approx(shift**2, rel=1e-5)
        assert error.positive_share == share
        above, below = (shift, 0.0) if shift > 0 else (0.0, shift)
        assert (error.positive_mean, error.negative_mean) == (pytest.approx(above), pytest.approx(below))
    assert first.mean_return != second.mean_return  # of other start states


def test_an_episode_that_ends_earns_nothing_more(facts):
    def truth(observation, action):
        steps_left = 7 - np.round(np.log(observation[..., 0] / start(observation)) / np.log(KEPT))
        return observation[..., 0] * (1 - (KEPT * DISCOUNT) ** steps_left) / (1 - KEPT * DISCOUNT)

    starts = []

    def start(observation):
        starts.append(observation[..., 0].copy())
        return starts[0]

    for error in rolled(facts["Ending"], truth):
        assert error.transitions == 4 * 7
        assert error.mean_squared_error < 1e-10


def test_a_run_that_diverged_has_no_error(facts):
    first, second = rolled(facts["Fading"], true_value, active=(False, True))
    assert first is None
    assert second.transitions == 4 * LIMIT


def test_robots_go_on_past_their_limit():
    stage = Stage([lengthened(ENVIRONMENTS["halfcheetah"], 6)], 1, None, "d4rl")
    rollouts = Rollouts(
        lambda observation, step: np.zeros((1, 1, 6), np.float32),
        lambda observation, action: np.zeros(observation.shape[:2]),
        np.array([0.5]),
        np.array([6]),
        np.array([True]),
    )
    (error,) = q_errors(stage, rollouts, [[0]], 17)
    stage.close()
    assert error.transitions == 6
    assert stage.horizon == 12


def test_returns_ahead_are_sums_of_the_next_steps():
    rewards = np.random.default_rng(0).normal(size=(3, 10))
    by_hand = [[sum(0.7**k * episode[t + k] for k in range(5)) for t in range(5)] for episode in rewards]
    np.testing.assert_allclose(returns_ahead(rewards, 0.7), by_hand, rtol=1e-12)


def test_errors_by_hand():
    error = error_of(np.array([3.0, 1.0, 5.0, 0.0]), np.array([1.0, 1.0, 1.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert error == (4, (4 + 0 + 16 + 9) / 4, 0.5, 3.0, 1.0, -3.0, 0.0, 2.25, 1.5, 2.5)
