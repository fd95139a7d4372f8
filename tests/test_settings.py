"""--set: sizes and constants by flag, of the right type, among the names that there are, in manifest and heading."""

import json
from functools import partial
from pathlib import Path

import by_subprocess
import pytest

from plas_jax.methods.presets import PRESETS, adapted, every, plas_method
from plas_jax.methods.published import METHODS
from plas_jax.methods.scales import SCORE_PRESETS
from plas_jax.methods.settings import names_of, settings_of
from plas_jax.results.rows import read_rows
from plas_jax.sweeps.flag_values import seeds_of_flags
from plas_jax.sweeps.request import Place, plas_sweep, request_for, with_settings

call_here = partial(by_subprocess.call_here, "d4rl_scores.py")
LAPTOP = SCORE_PRESETS["laptop"]
NAMES = ("bc", "bcq", "plas")


def changed(*texts, preset=LAPTOP, names=NAMES):
    methods = [preset.method(METHODS[name]) for name in names]
    preset, methods = with_settings(preset, methods, settings_of(texts, list(METHODS)))
    return preset, {method.name: method for method in methods}


def test_a_setting_reaches_what_it_is_meant_for_and_nothing_else():
    preset, methods = changed("plas.policy.updates=200000", "critic_widths=256,128", "episodes=20", "polyak=0.5")
    assert (preset.episodes, preset.evaluations_in_mean) == (20, 3)
    assert methods["plas"].phase.updates == 200_000
    assert methods["plas"].first.updates == methods["bcq"].phase.updates == 50_000
    assert (
        methods["plas"].phase.architecture.critic_widths
        == methods["bcq"].phase.architecture.critic_widths
        == (256, 128)
    )
    assert methods["plas"].phase.knobs.polyak == methods["bcq"].phase.knobs.polyak == 0.5
    assert methods["bc"] == LAPTOP.method(METHODS["bc"])._replace(
        knobs_of=methods["bc"].knobs_of, shapes_of=methods["bc"].shapes_of
    )
    assert preset.protocol(methods["plas"]).evaluations == (40_000, 80_000, 120_000, 160_000, 180_000, 200_000)


def test_what_is_set_is_not_taken_back_for_a_data_set():
    _, methods = changed("latent_limit=3")
    knobs = methods["plas"].run_knobs(methods["plas"].phase, "hopper-medium-replay-r1")
    assert knobs.latent_limit == 3.0
    method = plas_method(PRESETS["paper"])
    _, (wide,) = with_settings(PRESETS["paper"], [method], settings_of(["cvae_width=64"], ["plas"]))
    shaped = wide.with_shapes_of("hopper-medium-replay-r1")
    assert (shaped.first.architecture.cvae_width, shaped.phase.architecture.cvae_width) == (64, 64)


def test_several_values_of_a_knob_are_all_trained():
    _, methods = changed("plas.clip_weight=0.75,1", "polyak=0.1")
    assert methods["plas"].grid == (("clip_weight", (0.75, 1.0)),)
    assert methods["bcq"].grid == methods["bc"].grid == ()
    assert methods["bcq"].phase.knobs.polyak == 0.1
    _, methods = changed("plas+p.perturbation_limit=0.1", names=["plas+p"])
    assert methods["plas+p"].grid == (("perturbation_limit", (0.1,)),)  # instead of its own five


def test_a_knob_with_a_flag_of_its_own_is_set_by_that():
    command = plas_sweep("x", PRESETS["smoke"], "latent_limit", (0.5, 2.0), ())
    place = Place("d4rl", None, Path("out"), resume=False)
    with pytest.raises(ValueError, match="--set latent_limit: its values are those of --latent_limits"):
        request_for(command, place, (), (0,), settings_of(["latent_limit=3"], ["plas"]))
    made = request_for(command, place, (), (0,), settings_of(["clip_weight=0.75,1"], ["plas"]))
    assert made.methods[0].grid == (("latent_limit", (0.5, 2.0)), ("clip_weight", (0.75, 1.0)))
    assert made.arguments["settings"] == {"clip_weight": "0.75,1"}


def test_evaluations_follow_the_length_of_the_training():
    assert adapted(every(1000, 500_000), 500_000, 2_500) == (1000, 2000, 2500)
    assert adapted(every(1000, 500_000), 500_000, 500) == (500,)
    assert adapted((1_000, 3_000, 7_000), 7_000, 14_000) == (2_000, 6_000, 14_000)
    for presets in (PRESETS, SCORE_PRESETS):
        for preset in presets.values():
            (name,) = ["plas"]
            method = plas_method(preset) if presets is PRESETS else preset.method(METHODS[name])
            assert preset.protocol(method).evaluations[-1] == method.phase.updates
    preset, methods = changed("evaluations=10,20")
    assert preset.protocol(methods["plas"]).evaluations == (10, 20, 50_000)  # the end is always evaluated
    _, (method,) = with_settings(
        PRESETS["quick"], [plas_method(PRESETS["quick"])], settings_of(["updates=70"], ["plas"])
    )
    assert PRESETS["quick"].protocol(method).evaluations == (14, 42, 56, 70)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("episodes", "takes [METHOD.][PHASE.]NAME=VALUE, as in plas.policy.updates=200000, not 'episodes'"),
        ("episodes=", "takes [METHOD.][PHASE.]NAME=VALUE"),
        ("a.b.c.d=1", "takes [METHOD.][PHASE.]NAME=VALUE"),
        ("episode=20", "--set episode: what is trained has no such name; did you mean episodes?"),
        ("plas.updats=20", "--set plas.updats: plas has no such name; did you mean updates?"),
        ("bc.critic_widths=4", "--set bc.critic_widths: bc has no such name; did you mean"),
        ("plass.updates=20", "'plass' is no method or phase; did you mean plas"),
        ("policy.plas.updates=20", "--set policy.plas.updates"),
        ("iql.updates=20", "--set iql.updates: iql is not trained here"),
        ("bc.behaviour.updates=20", "bc has in its behaviour phase no such name"),
        ("episodes=many", "--set episodes takes a whole number of at least 1, not 'many'"),
        ("episodes=0", "--set episodes takes a whole number of at least 1, not '0'"),
        ("critic_widths=256,x", "--set critic_widths takes whole numbers of at least 1, commas between them"),
        ("polyak=nan", "--set polyak takes a number from 0 to 1, not 'nan'"),
        ("plas.clip_weight=0.75,75", "--set plas.clip_weight takes a number from 0 to 1, not '75'"),
        ("learning_rate=0.1,high", "--set learning_rate takes a finite number, not 'high'"),
        ("learning_rate=0.1,0.1", "--set learning_rate has a value twice: '0.1,0.1'"),
        ("plas.behaviour.learning_rate=0.1,0.2", "takes a finite number, not '0.1,0.2'"),
        ("evaluations=10,60000", "--set evaluations: they rise, to at most the 50,000 updates of a training"),
        ("evaluations=50000,10", "--set evaluations: they rise"),
    ],
)
def test_a_wrong_setting_is_one_line_with_what_is_right(text, says):
    with pytest.raises(ValueError, match="--set") as refused:
        changed(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_same_setting_twice_is_refused():
    with pytest.raises(ValueError, match="--set has episodes twice"):
        changed("episodes=1", "episodes=2")


@pytest.mark.parametrize("name", METHODS)
def test_every_size_and_constant_of_every_method_can_be_set(name):
    for field in names_of(METHODS[name]):
        changed(f"{name}.{field}=1", names=[name])


@pytest.mark.parametrize(
    ("text", "first", "seeds"), [("3", 0, (0, 1, 2)), ("2", 5, (5, 6)), ("0,1,2", 0, (0, 1, 2)), ("7,3", 0, (3, 7))]
)
def test_seeds_are_how_many_or_which(text, first, seeds):
    assert seeds_of_flags(text, first) == seeds


@pytest.mark.parametrize(
    ("text", "first", "says"),
    [("0", 0, "at least 1"), ("x", 0, "how many, or which"), ("1,1", 0, "different"), ("1,-2", 0, "different"),
     ("1,2", 3, "which seeds is said already"), ("", 0, "how many")],
)  # fmt: skip
def test_impossible_seeds_are_one_line(text, first, says):
    with pytest.raises(ValueError, match=says):
        seeds_of_flags(text, first)


def test_what_was_set_stands_in_manifest_and_heading_and_a_folder_of_other_sizes_is_refused(tmp_path):
    words = ["--preset=smoke", "--algorithms=bc", "--datasets=hopper-random-r1", "--seeds=4,7", "--data_dir=."]
    words += ["--output=out", "--set=episodes=2", "--set=bc.updates=30"]
    done = call_here(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = read_rows(tmp_path / "out" / "results.csv")
    assert {(row.seed, row.update, row.episode) for row in rows} == {
        (seed, update, episode) for seed in (4, 7) for update in (20, 30) for episode in (0, 1)
    }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"] == {"episodes": "2", "bc.updates": "30"}
    assert manifest["arguments"]["settings"] == {"episodes": "2"}
    assert "Preset smoke with episodes=2, bc.updates=30" in (tmp_path / "out" / "scores.md").read_text()
    again = call_here(*words[:-1], "--resume", cwd=tmp_path)
    assert again.returncode == 1
    assert "out has bc with other updates: 30, not 40" in again.stderr
    other = call_here(*words[:-2], "--set=bc.updates=30", "--resume", cwd=tmp_path)
    assert other.returncode == 1
    assert "its sweep has settings {'episodes': '2'}, not None" in other.stderr
