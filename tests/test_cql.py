"""Conservative Q-Learning against NumPy in float64, and bandits that reward leaving the data."""

import math
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_networks import assert_first_step, assert_trees_close, critic_values, perceptron
from small_runs import filled, in_float64, quickly_compiled, random_batch

from plas_jax.algorithms import cql
from plas_jax.algorithms.conservatism import conservative_gap, weight_multiplier
from plas_jax.algorithms.cql import CQL, Architecture, Knobs, Noise
from plas_jax.algorithms.draws import normalised
from plas_jax.models.affine_std_policy import AffineStdPolicy
from plas_jax.types import Axis, Sizes, Statistics, Transition

KEY, TRUE = jax.random.key(0), Sizes.of(3, 2)
BATCH, CANDIDATES = 4, 3
ARCHITECTURE = Architecture((4, 4), (4, 4), CANDIDATES, BATCH)
KNOBS = Knobs(2.0, 0.9, 0.25, 1e-2, 2e-2, 3e-2)
# What the configurations of the mazes change, with a gap that is cut off in some rows.
MAZE = ARCHITECTURE._replace(backup_candidates=3)
OF_A_MAZE = {"smallest_gap": 2.0, "normalises_observations": 0.0, "reward_scale": 10.0, "reward_shift": -5.0}
STATISTICS = Statistics(np.float32([0.5, -1.0, 2.0]), np.float32([2.0, 0.5, 0.0]), np.float32(1))
either = pytest.mark.parametrize("compiled", [lambda f: f, jax.jit], ids=["plain", "jitted"])


def rows_of(seed, batch=BATCH):
    """Random transitions whose last observation never moves."""
    rows = random_batch(seed, TRUE, batch)
    rows.observation[:, 2], rows.next_observation[:, 2] = 2.0, 2.0
    return rows


@cache
def first_state():
    return CQL.init(KEY, ARCHITECTURE, TRUE, STATISTICS)


def state_of(log_temperature=-0.7):
    """A state whose networks differ from one another and from their targets."""
    state = first_state()
    return state.replace(
        policy=state.policy.replace(parameters=filled(state.policy.parameters, 1)),
        critics=state.critics.replace(parameters=filled(state.critics.parameters, 2)),
        critic_targets=filled(state.critic_targets, 3),
        log_temperature=state.log_temperature.replace(parameters=jnp.float32(log_temperature)),
    )


# The losses once more, in NumPy and float64 and candidate by candidate, from the paper and CORL


def policy_of(policy, observation):
    """Mean and standard deviation before the tanh of one observation."""
    policy = policy["params"]
    features = np.maximum(perceptron(policy["Perceptron_0"], observation), 0)
    log_std = policy["log_std_multiplier"] * perceptron(policy["Perceptron_2"], features) + policy["log_std_offset"]
    return perceptron(policy["Perceptron_1"], features), np.exp(np.clip(log_std, -20, 2))


def drawn(policy, observation, draw):
    """An action and its log density by the change of variables, term by term."""
    mean, std = policy_of(policy, observation)
    action, density = np.tanh(mean + std * draw), 0.0
    for u, m, s in zip(mean + std * draw, mean, std, strict=True):
        density += -(((u - m) / s) ** 2) / 2 - math.log(s * math.sqrt(2 * math.pi)) - math.log(1 - math.tanh(u) ** 2)
    return action, density


def numpy_policy_loss(policy, critics, temperature, batch, noise):
    losses = []
    for observation, draw in zip(batch.observation, noise.action, strict=True):
        action, density = drawn(policy, observation, draw)
        losses.append(temperature * density - min(critic_values(critics, observation, action)))
    return np.mean(losses)


def numpy_gaps(critics, policy, batch, noise):
    """Of both critics, `[batch, 2]`."""
    gaps = []
    for row, (observation, action) in enumerate(zip(batch.observation, batch.action, strict=True)):
        sums = np.zeros(2)
        for place in range(CANDIDATES):
            uniform = noise.uniform[place, row]
            sums += np.exp(critic_values(critics, observation, uniform)) / 0.5 ** len(uniform)
            for where, draw in ((observation, noise.current), (batch.next_observation[row], noise.next)):
                candidate, density = drawn(policy, where, draw[place, row])
                sums += np.exp(critic_values(critics, observation, candidate)) / math.exp(density)
        gaps.append(np.log(sums) - critic_values(critics, observation, action))
    return np.array(gaps)


def numpy_goal(policy, targets, batch, noise):
    goals = []
    for row, observation in enumerate(batch.next_observation):
        actions = [drawn(policy, observation, draw)[0] for draw in noise.next_action[:, row]]
        value = max(min(critic_values(targets, observation, action)) for action in actions)
        goals.append(batch.reward[row] + KNOBS.discount * batch.bootstrap[row] * value)
    return np.array(goals)


def numpy_gap(critics, policy, batch, noise, knobs):
    """The sum over critics of what the weight multiplies."""
    return np.maximum(numpy_gaps(critics, policy, batch, noise), knobs.smallest_gap).mean(axis=0).sum()


def numpy_critic_loss(critics, policy, goal, batch, noise, weight, knobs):
    errors = np.square(critic_values(critics, batch.observation, batch.action) - goal[:, None])
    return np.mean(errors, axis=0).sum() + weight * numpy_gap(critics, policy, batch, noise, knobs)


# Equations


@either
def test_the_conservative_gap_is_the_logarithm_of_a_weighted_sum_less_the_datas_value(compiled):
    generator = np.random.default_rng(0)
    q, density, data = generator.normal(size=(5, 3, 2)), generator.normal(size=(5, 3)), generator.normal(size=(3, 2))
    expected = np.zeros((3, 2))
    for row in range(3):
        for critic in range(2):
            total = sum(math.exp(q[place, row, critic] - density[place, row]) for place in range(5))
            expected[row, critic] = math.log(total) - data[row, critic]
    np.testing.assert_allclose(compiled(conservative_gap)(q, density, data), expected, rtol=1e-5, atol=1e-6)


def test_the_gap_does_not_overflow_and_ignores_what_is_far_below():
    q = jnp.array([1e4, 1e4, -1e4])[:, None, None] * jnp.ones((1, 1, 2))
    np.testing.assert_allclose(conservative_gap(q, jnp.zeros((3, 1)), jnp.full((1, 2), 1e4)), math.log(2), atol=2e-3)


@pytest.mark.parametrize(("action", "wide"), [(2, 2), (2, 5), (6, 6)])
def test_uniform_candidates_weigh_by_the_volume_of_the_true_box(action, wide):
    # Q = 0 everywhere: the mean of exp(Q) / density is the volume 2^dim of the box.
    sizes = Sizes(Axis(3, 3), Axis(action, wide), Axis(1, 1))
    architecture = Architecture((4, 4), (4, 4), 7, 4)
    state = jax.eval_shape(lambda: CQL.init(KEY, architecture, sizes, STATISTICS))
    state = state.replace(sizes=sizes, policy=state.policy.replace(parameters=filled(state.policy.parameters, 0)))
    noise = CQL.noise(KEY, architecture, sizes)
    batch = rows_of(0)._replace(action=np.zeros((4, wide), np.float32))
    actions, density = cql.candidates(state, batch, noise)
    assert actions.shape == (21, 4, wide)
    np.testing.assert_allclose(density[:7], action * math.log(0.5), rtol=1e-6)
    gap = conservative_gap(jnp.zeros((7, 4, 2)), density[:7], jnp.zeros((4, 2)))
    np.testing.assert_allclose(gap, math.log(7) + action * math.log(2), rtol=1e-6)


def test_a_critic_that_is_the_datas_log_density_has_the_least_gap():
    # Actions of the data are uniform: E[gap] is least for a constant Q, and any other Q's is larger.
    actions = np.linspace(-1, 1, 2001, dtype=np.float32)
    density = np.full((2001, 1), math.log(0.5), np.float32)

    def gap(q):
        data_q = jnp.full((1, 1), q.mean())
        return float(conservative_gap(jnp.asarray(q)[:, None, None], density, data_q)[0, 0]) - math.log(2001)

    assert abs(gap(np.full(2001, 3.0, np.float32)) - math.log(2)) < 1e-4
    assert min(gap(0.5 * actions), gap(-actions), gap(actions**2)) > math.log(2) + 1e-2


def test_the_policys_deviation_passes_an_affine_map_and_a_clip():
    parameters = filled(AffineStdPolicy(TRUE, (4, 4)).init(KEY, jnp.zeros((1, 3))), 0)
    for multiplier, offset in ((1.0, -1.0), (2.0, 0.5), (0.0, 9.0), (0.0, -30.0)):
        parameters["params"]["log_std_multiplier"] = jnp.float32(multiplier)
        parameters["params"]["log_std_offset"] = jnp.float32(offset)
        mean, log_std = AffineStdPolicy(TRUE, (4, 4)).apply(parameters, rows_of(0).observation)
        for row, observation in enumerate(rows_of(0).observation):
            expected = policy_of(in_float64(parameters), observation)
            np.testing.assert_allclose(mean[row], expected[0], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(log_std[row], np.log(expected[1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("action", "wide"), [(2, 2), (2, 5)])
def test_the_policy_starts_by_the_sources_law(action, wide):
    sizes = Sizes(Axis(3, 3), Axis(action, wide), Axis(1, 1))
    parameters = AffineStdPolicy(sizes, (64, 64)).init(KEY, jnp.zeros((1, 3)))["params"]
    assert parameters["log_std_multiplier"] == 1
    assert parameters["log_std_offset"] == -1
    bound = 1e-2 * math.sqrt(6 / (64 + 2 * action))
    for head in ("Perceptron_1", "Perceptron_2"):
        kernel = np.abs(parameters[head]["Linear_0"]["kernel"])
        assert 0.98 * bound < kernel.max() <= bound
        assert (kernel[:, action:] == 0).all()
        assert (parameters[head]["Linear_0"]["bias"] == 0).all()
    hidden = np.abs(parameters["Perceptron_0"]["Linear_1"]["kernel"])
    assert 0.99 / 8 < hidden.max() <= 1 / 8  # torch's own law


def test_critics_start_orthogonal_with_a_small_last_layer():
    layers = first_state().critics.parameters["params"]["first_critic"]
    kernel = np.asarray(layers["Linear_1"]["kernel"])
    np.testing.assert_allclose(kernel @ kernel.T, 2 * np.eye(4), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(layers["Linear_2"]["kernel"]), 1e-2, rtol=1e-5)
    assert all((layer["bias"] == 0).all() for layer in layers.values())


def test_observations_are_normalised_by_the_datas_mean_and_deviation():
    expected = (np.array([1.5, 2.0, 2.0]) - [0.5, -1.0, 2.0]) / (np.array([2.0, 0.5, 0.0]) + 1e-3)
    np.testing.assert_allclose(
        normalised(np.float32([1.5, 2.0, 2.0]), state_of().observation_mean, state_of().observation_std),
        expected,
        rtol=1e-5,
    )


def test_the_defaults_are_those_of_corls_configurations():
    assert Knobs()[:7] == (10.0, 0.99, 5e-3, 3e-5, 3e-4, 3e-5, -1.0)
    assert Knobs()[8:] == (1.0, 1.0, 0.0)
    assert Architecture() == ((256, 256, 256), (256, 256, 256), 10, 256, 1)
    state = jax.eval_shape(lambda: CQL.init(KEY, Architecture(), TRUE, STATISTICS))
    shapes = [layer["kernel"].shape for layer in state.critics.parameters["params"]["second_critic"].values()]
    assert shapes == [(5, 256), (256, 256), (256, 256), (256, 1)]
    hidden = [layer["kernel"].shape for layer in state.policy.parameters["params"]["Perceptron_0"].values()]
    assert hidden == [(3, 256), (256, 256), (256, 256)]


# The update


@pytest.mark.parametrize(
    ("architecture", "knobs"),
    [
        (ARCHITECTURE, KNOBS),
        (MAZE, KNOBS._replace(gap_threshold=0.5, **OF_A_MAZE)),
        (MAZE, KNOBS._replace(gap_threshold=50.0, **OF_A_MAZE)),
    ],
    ids=["locomotion", "maze", "wide gap"],
)
def test_all_step_from_the_networks_before_the_update(architecture, knobs):
    state, batch = state_of().replace(architecture=architecture), rows_of(1)
    noise = quickly_compiled(lambda: CQL.noise(KEY, architecture, TRUE))()
    after, metrics = quickly_compiled(CQL.update)(state, batch, noise, knobs)
    mean, std = np.float64(STATISTICS.observation_mean), np.float64(STATISTICS.observation_std) + 1e-3
    if not knobs.normalises_observations:
        mean, std = 0.0, 1.0
    seen = batch._replace(
        observation=(batch.observation - mean) / std,
        next_observation=(batch.next_observation - mean) / std,
        reward=batch.reward * knobs.reward_scale + knobs.reward_shift,
    )
    noise = Noise(*(np.asarray(draw, np.float64) for draw in noise))
    policy, critics = in_float64(state.policy.parameters), in_float64(state.critics.parameters)
    targets, temperature = in_float64(state.critic_targets), math.exp(-0.7)

    assert_first_step(policy, after.policy, lambda p: numpy_policy_loss(p, critics, temperature, seen, noise), 1e-2)
    densities = [drawn(policy, *pair)[1] for pair in zip(seen.observation, noise.action, strict=True)]
    slope = -(np.mean(densities) - 2)
    np.testing.assert_allclose(after.log_temperature.moments[0].mu, 0.1 * slope, rtol=1e-4)
    np.testing.assert_allclose(after.log_temperature.parameters, -0.7 - 3e-2 * np.sign(slope), rtol=1e-5)
    goal, gap = numpy_goal(policy, targets, seen, noise), numpy_gap(critics, policy, seen, noise, knobs)
    multiplies = knobs.gap_threshold >= 0
    weight = 2.0 * (math.e if multiplies else 1.0)
    assert_first_step(
        critics, after.critics, lambda p: numpy_critic_loss(p, policy, goal, seen, noise, weight, knobs), 2e-2
    )
    average = jax.tree.map(lambda old, new: 0.75 * old + 0.25 * new, targets, in_float64(after.critics.parameters))
    assert_trees_close(after.critic_targets, average, rtol=1e-5, atol=1e-6)
    slope = -math.e * 2.0 * (0.5 * gap - knobs.gap_threshold)
    np.testing.assert_allclose(after.log_multiplier.moments[0].mu, 0.1 * slope, rtol=1e-4)
    moved = 2e-2 * np.sign(slope) if multiplies else 0.0
    np.testing.assert_allclose(after.log_multiplier.parameters, 1 - moved, rtol=1e-5)

    values = critic_values(critics, seen.observation, seen.action)
    expected = {
        "critic_loss": numpy_critic_loss(critics, policy, goal, seen, noise, weight, knobs),
        "conservative_gap": gap,
        "conservative_weight": weight,
        "mean_q": values.mean(),
        "mean_absolute_q": np.abs(values).mean(),
        "entropy": -np.mean(densities),
        "temperature": temperature,
    }
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-4, err_msg=name)
    q = CQL.value(state, batch.observation, batch.action, knobs)
    np.testing.assert_allclose(q, values[:, 0] / knobs.reward_scale, rtol=1e-4, atol=1e-6)


def test_the_multiplier_has_a_largest_value():
    assert float(weight_multiplier(jnp.float32(20.0))) == 1e6


def test_it_acts_by_its_mean():
    state, observation = state_of(), rows_of(0).observation
    assert CQL.acting_noise is None
    seen = (observation - STATISTICS.observation_mean) / (STATISTICS.observation_std + 1e-3)
    mean = [np.tanh(policy_of(in_float64(state.policy.parameters), row)[0]) for row in seen]
    for _ in range(2):
        np.testing.assert_allclose(CQL.act(state, observation, None, KNOBS), mean, rtol=1e-4, atol=1e-6)


def test_the_draws_are_independent_and_of_their_laws():
    noise = CQL.noise(KEY, Architecture(candidates=2, batch_size=2000), TRUE)
    assert noise.next_action.shape == (1, 2000, 2)
    assert all(draw.shape == (2, 2000, 2) for draw in (noise.uniform, noise.current, noise.next))
    columns = np.concatenate([np.moveaxis(np.asarray(draw), -2, -1).reshape(-1, 2000) for draw in noise])
    assert columns.shape == (2 + 2 + 4 + 4 + 4, 2000)
    np.testing.assert_allclose(np.corrcoef(columns), np.eye(16), atol=0.1)
    uniform, normal = columns[4:8], np.delete(columns, slice(4, 8), axis=0)
    assert np.abs(uniform).max() <= 1
    np.testing.assert_allclose(uniform.var(axis=1), 1 / 3, atol=0.03)
    np.testing.assert_allclose(normal.var(axis=1), 1, atol=0.15)


# Bandits

BANDIT = Architecture((32, 32), (32, 32), 4, 64)
UPDATES = 2000


@jax.jit
def solved(key, data, knobs):
    sizes = Sizes.of(1, 1)
    state = CQL.init(key, BANDIT, sizes, Statistics(jnp.zeros(1), jnp.ones(1), jnp.ones(())))

    def step(place, state):
        key_rows, key_noise = jax.random.split(jax.random.fold_in(key, place))
        rows = jax.random.randint(key_rows, (64,), 0, len(data.reward))
        noise = CQL.noise(key_noise, BANDIT, sizes)
        return CQL.update(state, jax.tree.map(lambda column: column[rows], data), noise, knobs)[0]

    return jax.lax.fori_loop(0, UPDATES, step, state)


def bandit(lower, upper, reward, rows=4000):
    """One state, one step: what is learned is the reward."""
    action = np.random.default_rng(0).uniform(lower, upper, (rows, 1)).astype(np.float32)
    observation = np.ones((rows, 1), np.float32)
    return Transition(observation, action, reward(action[:, 0]), observation, np.zeros(rows, np.float32))


def action_and_values(state, actions):
    observation = np.ones((len(actions), 1), np.float32)
    q = cql._critics(state.sizes, BANDIT).apply(state.critics.parameters, observation, np.float32(actions)[:, None])
    return float(CQL.act(state, observation[:1], None, Knobs())[0, 0]), np.asarray(q).min(axis=1)


def learning(conservative_weight):
    return Knobs(conservative_weight, 0.9, 0.05, 1e-3, 1e-3, 1e-3)


@pytest.mark.slow
def test_a_bandit_whose_best_action_is_in_the_data_is_solved():
    state = solved(KEY, bandit(-1, 1, lambda a: -8 * (a - 0.5) ** 2), learning(0.1))
    action, _ = action_and_values(state, [0.0])
    assert abs(action - 0.5) < 0.15


@pytest.mark.slow
def test_only_the_conservative_term_keeps_the_policy_in_the_data():
    data = bandit(-0.6, -0.2, lambda a: 3 * a)  # the further right the better, and the data end at -0.2
    outside, inside = [0.3, 0.6, 0.9], [-0.55, -0.4, -0.25]
    action, q = action_and_values(solved(KEY, data, learning(0.0)), outside + inside)
    assert action > 0.3
    assert q[:3].min() > q[3:].max()
    action, q = action_and_values(solved(KEY, data, learning(10.0)), outside + inside)
    assert -0.65 < action < -0.1
    assert q[:3].max() < q[3:].min()
