"""TD3 once more, in NumPy and float64 with every gradient by hand, and what the tests of its descendants share.

Networks without hidden layers: π(s) = tanh(sW + b) and Qj(s, a) = [s, a]·wj + cj. A subclass says what is its own.
"""

from functools import cache

import chex
import jax
import numpy as np
from small_runs import computing_in, in_float64, quickly_compiled

from plas_jax.datasets.minibatch import minibatch
from plas_jax.types import Sizes, Transition


class Parameters:
    """Arrays in float64 with Adam's moments; torch's constants."""

    def __init__(self, layers):
        self.values = [np.asarray(layers[name], np.float64) for name in ("kernel", "bias")]
        self.first = [np.zeros_like(value) for value in self.values]
        self.second = [np.zeros_like(value) for value in self.values]
        self.steps = 0

    def descend(self, gradients, rate):
        """One step of Adam."""
        self.steps += 1
        for place, gradient in enumerate(gradients):
            self.first[place] = 0.9 * self.first[place] + 0.1 * gradient
            self.second[place] = 0.999 * self.second[place] + 0.001 * gradient**2
            mean = self.first[place] / (1 - 0.9**self.steps)
            square = self.second[place] / (1 - 0.999**self.steps)
            self.values[place] = self.values[place] - rate * mean / (np.sqrt(square) + 1e-8)


def averaged(target, online, polyak):
    return [(1 - polyak) * old + polyak * new for old, new in zip(target, online, strict=True)]


HEADS = ("first_critic", "second_critic")


class TD3:
    """One run of plain TD3; `step` is one update."""

    def __init__(self, state, knobs):
        self.knobs = knobs
        self.policy = Parameters(state.policy.parameters["params"]["Perceptron_0"]["Linear_0"])
        self.critics = [Parameters(state.critics.parameters["params"][head]["Linear_0"]) for head in HEADS]
        self.policy_target = Parameters(state.policy_target["params"]["Perceptron_0"]["Linear_0"]).values
        self.critic_targets = [Parameters(state.critic_targets["params"][head]["Linear_0"]).values for head in HEADS]
        self.updates = 0

    # What descendants change

    def penalty_of_target(self, next_action, data_next_action):
        return 0.0

    def policy_gradient(self, row, q, weights, action, data_action):
        """∂loss/∂π(s) of one row of the batch; `q` has both values of every row, `weights` ∂Qj/∂a of both critics."""
        return -weights[0] / len(q)

    def is_due(self):
        return (self.updates + 1) % self.knobs.policy_delay == 0

    followed_policy_is_the_old_one = False

    # TD3

    @staticmethod
    def act(policy, observation):
        return np.tanh(observation @ policy[0] + policy[1])

    @staticmethod
    def value(critic, observation, action):
        return float(np.concatenate([observation, action]) @ critic[0][:, 0] + critic[1][0])

    def target(self, batch, draw):
        knobs, goals = self.knobs, []
        for row in range(len(batch.reward)):
            noise = np.clip(knobs.target_noise * draw[row], -knobs.target_noise_limit, knobs.target_noise_limit)
            action = np.clip(self.act(self.policy_target, batch.next_observation[row]) + noise, -1, 1)
            next_q = min(self.value(critic, batch.next_observation[row], action) for critic in self.critic_targets)
            next_q -= self.penalty_of_target(action, batch.next_action[row])
            goals.append(batch.reward[row] + batch.bootstrap[row] * knobs.discount * next_q)
        return goals

    def step(self, batch, draw):
        """One update; the metrics that every method has."""
        batch = jax.tree.map(np.float64, batch)
        rows, goals, error, values = len(batch.reward), self.target(batch, draw), 0.0, []
        for critic in self.critics:
            kernel, bias = np.zeros_like(critic.values[0]), np.zeros(1)
            for row in range(rows):
                q = self.value(critic.values, batch.observation[row], batch.action[row])
                slope = 2 * (q - goals[row]) / rows
                kernel[:, 0] += slope * np.concatenate([batch.observation[row], batch.action[row]])
                bias += slope
                error += (q - goals[row]) ** 2 / rows
                values.append(q)
            critic.descend([kernel, bias], self.knobs.critic_learning_rate)
        if self.is_due():
            self.delayed_half(batch)
        self.updates += 1
        return {"critic_loss": error, "mean_q": np.mean(values), "mean_absolute_q": np.mean(np.abs(values))}

    def delayed_half(self, batch):
        before, width = list(self.policy.values), batch.observation.shape[1]
        actions = [self.act(before, observation) for observation in batch.observation]
        q = np.array(
            [
                [self.value(critic.values, observation, action) for critic in self.critics]
                for observation, action in zip(batch.observation, actions, strict=True)
            ]
        )
        weights = [critic.values[0][width:, 0] for critic in self.critics]
        kernel, bias = np.zeros_like(before[0]), np.zeros_like(before[1])
        for row, action in enumerate(actions):
            slope = self.policy_gradient(row, q, weights, action, batch.action[row]) * (1 - action**2)
            kernel += np.outer(batch.observation[row], slope)
            bias += slope
        self.policy.descend([kernel, bias], self.knobs.policy_learning_rate)
        online = before if self.followed_policy_is_the_old_one else self.policy.values
        self.policy_target = averaged(self.policy_target, online, self.knobs.polyak)
        self.critic_targets = [
            averaged(target, critic.values, self.knobs.polyak)
            for target, critic in zip(self.critic_targets, self.critics, strict=True)
        ]


@cache
def update_of(algorithm, dtype=np.float32):
    """The algorithm's update, jitted, for one shape of its arguments and knobs as a sweep has them.

    More than one trace fails: other knobs do not compile again.
    """
    update = quickly_compiled(chex.assert_max_traces(algorithm.update, n=1))
    return lambda state, batch, noise, knobs: update(state, batch, noise, jax.tree.map(dtype, knobs))


def assert_follows(algorithm, state, reference, knobs, batches):
    """The algorithm's update against the reference's in float64: parameters, targets, moments, metrics after each.

    Moments, since Adam hides the scale of a gradient from the parameters.
    """
    update, state = update_of(algorithm, np.float64), in_float64(state)
    for place, batch in enumerate(batches):
        with computing_in(np.float64):
            noise = algorithm.noise(jax.random.key(place), state.architecture, state.sizes)
            trained = update(state, in_float64(batch), noise, knobs)
            state, metrics = jax.tree.map(np.asarray, trained)
        expected = reference.step(batch, np.asarray(noise.next_action))
        for name, number in expected.items():
            np.testing.assert_allclose(metrics[name], number, rtol=1e-10, err_msg=f"{name}, {place}")
        policies = state.policy.parameters, state.policy_target, *moments(state.policy)
        critics = state.critics.parameters, state.critic_targets, *moments(state.critics)
        ours = [tree["params"]["Perceptron_0"]["Linear_0"] for tree in policies]
        ours += [tree["params"][head]["Linear_0"] for head in HEADS for tree in critics]
        theirs = [reference.policy.values, reference.policy_target, reference.policy.first, reference.policy.second]
        for critic, target in zip(reference.critics, reference.critic_targets, strict=True):
            theirs += [critic.values, target, critic.first, critic.second]
        for layer, (kernel, bias) in zip(ours, theirs, strict=True):
            for mine, other in ((layer["kernel"], kernel), (layer["bias"], bias)):
                assert np.abs(mine - other).max() <= 1e-10 * np.abs(other).max(), f"update {place}"
    assert int(state.updates) == len(batches)


def moments(network):
    return network.moments[0].mu, network.moments[0].nu


# Contextual bandits that go on: the next observation is drawn anew, so that every V is r(π) / (1 - γ)

DISCOUNT, BANDIT = 0.5, Sizes.of(1, 1)
OBSERVATIONS = np.linspace(-1, 1, 101, dtype=np.float32)[:, None]


def bandit(reward, reach, rows=2000, seed=0):
    """Transitions with actions uniform within ±reach and next actions of the same law."""
    generator = np.random.default_rng(seed)
    observation, next_observation = generator.uniform(-1, 1, (2, rows, 1))
    action, next_action = generator.uniform(-reach, reach, (2, rows, 1))
    columns = (observation, action, reward(observation, action)[:, 0], next_observation, np.ones(rows), next_action)
    return Transition(*(column.astype(np.float32) for column in columns))


def peaked(observation, action):
    """The best action is 0.6 s, and worth 1."""
    return 1 - (action - 0.6 * observation) ** 2


def treacherous(observation, action):
    """Rises gently from -0.3 to 0.3, where the data are, and falls off on both sides of them."""
    return 4 + np.clip(action, -0.3, 0.3) - 10 * np.maximum(np.abs(action) - 0.3, 0)


@cache
def trainer(algorithm, init):
    """A training on a bandit in one call; what it learns from is an argument, so that it compiles once."""

    @jax.jit
    def train(state, data, knobs):
        def step(update, state):
            key_rows, key_noise = jax.random.split(jax.random.fold_in(jax.random.key(1), update))
            batch = minibatch(key_rows, data, 0, len(data.reward), state.architecture.batch_size)
            noise = algorithm.noise(key_noise, state.architecture, state.sizes)
            return algorithm.update(state, batch, noise, knobs)[0]

        return jax.lax.fori_loop(0, 1500, step, state)

    first = init(jax.random.key(0), BANDIT)
    return lambda data, knobs: train(first, data, jax.tree.map(np.float32, knobs))


def estimate_and_truth(algorithm, state, critics, reward, knobs):
    """The critics' mean value of the policy's own actions, what these are truly worth, and the actions."""
    observation = OBSERVATIONS
    action = np.asarray(algorithm.act(state, observation, None, knobs))
    estimate = np.asarray(critics.apply(state.critics.parameters, observation, action)).mean()
    return float(estimate), float(reward(observation, action).mean() / (1 - DISCOUNT)), action
