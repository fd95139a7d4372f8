"""What shows that a method cannot work, on cases whose answer is known."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_runs import trained_on

from plas_jax.algorithms import behaviour, iql
from plas_jax.datasets.minibatch import Rows
from plas_jax.evaluation.diagnostics import Diagnosed, diagnose
from plas_jax.evaluation.probe_rows import FORGOTTEN, ROWS, return_to_go
from plas_jax.models.cvae import CVAE, Posterior, active_latents, kl_by_latent, latent_reach
from plas_jax.results.diagnostics import HEADER, Diagnostic, by_cell, read_diagnostics, replace_diagnostics
from plas_jax.results.runs import Cell, Run
from plas_jax.types import Algorithm, Sizes, Transition

DECODER_VARIANCE = 1 / 8  # of Eq. 4 as a bound: error/A + KL/(2·2A) is an A-th of 4 error + KL, less a quarter
LINE = Sizes.of(1, 1)


def posterior_of(variance, action):
    """The best posterior of a linear decoder for actions N(0, variance): that of probabilistic PCA."""
    used = max(variance - DECODER_VARIANCE, 0.0)
    share = used / (used + DECODER_VARIANCE)
    return np.sqrt(used) / (used + DECODER_VARIANCE) * action, np.full_like(action, np.sqrt(1 - share))


@pytest.mark.parametrize(("variance", "active"), [(0.02, 0), (0.12, 0), (0.16, 1), (0.5, 1)])
def test_a_latent_of_a_linear_gaussian_cvae_is_active_where_its_closed_form_says(variance, active):
    action = np.sqrt(variance) * np.random.default_rng(0).normal(size=40_000).astype(np.float32)
    mean, std = posterior_of(variance, action)
    # A second latent that is not used, and padding.
    posterior = Posterior(*(jnp.stack([first, jnp.full_like(first, rest), jnp.full_like(first, rest)], axis=1)
                            for first, rest in ((mean, 0.0), (std, 1.0))))  # fmt: skip
    divergence = np.asarray(kl_by_latent(posterior).mean(axis=0))
    expected = 0.5 * np.log(max(variance, DECODER_VARIANCE) / DECODER_VARIANCE)
    np.testing.assert_allclose(divergence, [expected, 0.0, 0.0], atol=0.01)
    assert active_latents(posterior) == active


@pytest.mark.parametrize(("variance", "active"), [(0.04, 0), (0.25, 1)])
def test_so_is_one_of_a_cvae_that_was_trained(variance, active):
    architecture = behaviour.Architecture(32, 256)
    state = behaviour.init(jax.random.key(0), architecture, LINE)

    def draw(key):
        action = jnp.sqrt(variance) * jax.random.normal(key, (256, 1))
        zeros = jnp.zeros((256, 1))
        return Transition(zeros, action, zeros[:, 0], zeros, jnp.ones(256))

    state, _ = trained_on(
        jax.tree_util.Partial(draw),
        behaviour.BEHAVIOUR,
        state,
        behaviour.Knobs(learning_rate=1e-3, latent_limit=0.5),
        4000,
    )
    rows = draw(jax.random.key(1))
    posterior = CVAE(LINE, 32).apply(state.cvae.parameters, rows.observation, rows.action, method=CVAE.encode)
    divergence = float(kl_by_latent(posterior).mean(axis=0).sum())
    assert active_latents(posterior) == active
    assert abs(divergence - max(0.5 * np.log(variance / DECODER_VARIANCE), 0)) < 0.1


def test_how_far_corners_move_an_action_is_measured_against_the_datas_spread():
    """A decoder of tanh(z1) by hand: corners at ±σ are tanh σ away from its middle."""
    sizes, width = Sizes.of(2, 1).padded_to(Sizes.of(3, 2)), 4
    module = CVAE(sizes, width)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *(jnp.zeros((1, n)) for n in (3, 2, 4)))
    cvae = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)
    decoder = cvae["params"]["decoder"]
    names = sorted(decoder)
    first, second, last = (decoder[name] for name in names)
    kernel = next(name for name in first if first[name].ndim == 2)
    # relu(z) and relu(−z) of the first latent, behind the three observation columns, handed on and subtracted.
    first[kernel][3, :2] = [1, -1]
    second[kernel][:2, :2] = np.eye(2)
    last[kernel][:2, 0] = [1, -1]
    generator = np.random.default_rng(0)
    action = np.zeros((64, 2), np.float32)
    action[:, 0] = generator.choice([-0.3, 0.3], 64)
    rows = Transition(np.zeros((64, 3), np.float32), action, np.zeros(64), np.zeros((64, 3)), np.ones(64))
    measures = latent_reach(module, cvae, rows, 0.7)
    np.testing.assert_allclose(measures["corner_reach"], np.tanh(0.7), rtol=1e-6)
    np.testing.assert_allclose(measures["data_spread"], 0.3, rtol=1e-6)
    assert measures["active_latents"] == 0


def chain(lengths, ends, reward=1.0):
    """Episodes of so many steps one after another in one column; the last step of each ends it or runs out of time."""
    steps = np.concatenate([np.arange(length) + 100 * number for number, length in enumerate(lengths)])
    bootstrap = np.concatenate(
        [[1.0] * (length - 1) + [0.0 if end else 1.0] for length, end in zip(lengths, ends, strict=True)]
    )
    observation = np.float32(steps)[:, None]
    transitions = Transition(
        observation, np.zeros((len(steps), 1)), np.full(len(steps), reward), observation + 1, bootstrap
    )
    return transitions, len(steps)


def test_the_return_to_go_is_discounted_to_the_true_end_and_unknown_past_a_time_limit():
    (first, count), (second, more) = chain([5, 4], [True, False]), chain([3], [True], 2.0)
    whole = jax.tree.map(lambda *columns: np.concatenate(columns), first, second)
    rows = Rows(whole, np.array([0, count]), np.array([count, more]))
    discount = 0.9
    by_hand = [sum(discount**step for step in range(left)) for left in (5, 4, 3, 2, 1)] + [np.nan] * 4
    places = np.linspace(0, count - 1, ROWS).astype(int)
    np.testing.assert_allclose(return_to_go(rows, 0, discount), np.array(by_hand)[places])
    # The last row of one data set never goes on in the next one.
    np.testing.assert_allclose(return_to_go(rows, 1, discount)[0], 2 * (1 + 0.9 + 0.81))


def test_a_return_is_known_once_what_follows_weighs_nothing():
    transitions, count = chain([100], [False])
    returns = return_to_go(Rows(transitions, np.array([0]), np.array([count])), 0, 0.5)
    places = np.linspace(0, count - 1, ROWS).astype(int)
    known = places < count - 7  # 0.5 ** 7 < 1 %, and the last row is not known to go on
    assert (np.isfinite(returns) == known).all()
    np.testing.assert_allclose(returns[known], sum(0.5**step for step in range(7)))


def test_a_critic_of_a_two_state_chain_is_off_by_what_was_added_to_it():
    """Two states in turn, a reward of 1 in the first: Q is 1 / (1 − γ²) there and γ times that in the other."""
    discount, wrong, count = 0.8, 0.25, 600
    state_of = np.arange(count, dtype=np.float32) % 2
    transitions = Transition(
        state_of[:, None], np.zeros((count, 1), np.float32), 1 - state_of, 1 - state_of[:, None], np.ones(count)
    )
    rows = Rows(transitions, np.array([0]), np.array([count]))
    value = np.array([1, discount]) / (1 - discount**2)
    known = return_to_go(rows, 0, discount)
    place = np.linspace(0, count - 1, ROWS).astype(int)
    seen = np.isfinite(known)
    np.testing.assert_allclose(known[seen], value[place % 2][seen], rtol=0, atol=FORGOTTEN * value.max())
    algorithm = Algorithm(
        None, None, None,
        act=lambda state, observation, noise, knobs: jnp.where(observation > 0, 1.0, 0.5),
        value=lambda state, observation, action, knobs: jnp.asarray(value)[observation[:, 0].astype(int)] + wrong,
    )  # fmt: skip
    run = Diagnosed(
        SimpleNamespace(sizes=Sizes.of(1, 1)), (), None, jax.tree.map(lambda c: c[place], transitions), known
    )
    measures = diagnose(algorithm, run)
    assert abs(measures["q_minus_return"] - wrong) < FORGOTTEN * value.max()
    np.testing.assert_allclose(measures["action_saturation"], (place % 2).mean(), rtol=1e-6)
    assert measures.keys() == {"action_saturation", "return_to_go", "q_minus_return"}


def test_the_effective_sample_share_of_equal_weights_is_one_and_of_one_row_in_four_a_quarter(monkeypatch):
    advantage = jnp.array([0.0, -50.0, -50.0, -50.0])
    monkeypatch.setattr(iql, "_critics", lambda state: SimpleNamespace(apply=lambda *_: advantage[:, None]))
    monkeypatch.setattr(iql, "_value", lambda *_: jnp.zeros(4))
    state = SimpleNamespace(critic_targets=None, reward_scale=1.0, value=SimpleNamespace(parameters=None))
    rows = Transition(*(jnp.zeros((4, 1)),) * 2, jnp.zeros(4), jnp.zeros((4, 1)), jnp.ones(4))
    for temperature, share in ((0.0, 1.0), (3.0, 0.25)):
        measures = iql.diagnose(state, rows, iql.Knobs(inverse_temperature=temperature))
        np.testing.assert_allclose(measures["effective_sample_share"], share, rtol=1e-6)


def test_rows_are_replaced_by_run_and_read_back(tmp_path):
    path = tmp_path / "diagnostics.csv"
    first, second = (Run(Cell("hopper, v0", "plas", 0.05, "clip_weight=1.0"), seed) for seed in (0, 1))
    replace_diagnostics(path, [Diagnostic(first, "active_latents", 3.0), Diagnostic(second, "q", float("nan"))])
    replace_diagnostics(path, [Diagnostic(first, "active_latents", 5.0)])
    kept = read_diagnostics(path)
    assert kept[0] == Diagnostic(first, "active_latents", 5.0)
    assert kept[1].run == second
    assert np.isnan(kept[1].value)
    assert by_cell(kept) == {first.cell: {"active_latents": 5.0}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("", "line 1: the header is not"), (",".join(HEADER) + "\na,b,0,,1,q\n", "line 2: 'a,b,0,,1,q' is no diagnostic")],
)
def test_what_is_no_file_of_diagnostics_is_one_line(tmp_path, text, complaint):
    (tmp_path / "diagnostics.csv").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_diagnostics(tmp_path / "diagnostics.csv")
