"""Policies that outlive their sweep: written at its end, read elsewhere, played, filmed, exported, refused."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import by_subprocess
import jax
import numpy as np
import pytest
from by_subprocess import ROOT, run

from plas_jax.commands import evaluate, export
from plas_jax.datasets.catalogue import ENVIRONMENTS
from plas_jax.evaluation.playing import play
from plas_jax.evaluation.policy_files import read_policy
from plas_jax.methods.own import own_method
from plas_jax.results.rows import Row, read_rows
from plas_jax.results.runs import CONTROLS, Cell, Run
from plas_jax.sweeps.policies import BestPolicies, file_name

OWN_METHOD = ROOT / "docs" / "own_method" / "filtered_cloning.py"
SHORT = ["--preset=smoke", "--best_policies", "--datasets=hopper-random-r1,walker2d-random-r1", "--seeds=1"]
# One that draws when it acts, one around a first phase, one's own.
METHODS = f"--algorithms=bcq,plas,{OWN_METHOD}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("kept") / "sweep"
    done = by_subprocess.call_here("d4rl_scores.py", *SHORT, METHODS, f"--data_dir={data}", f"--output={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def own(path):
    return own_method(OWN_METHOD) if "filtered" in path.name else None


def policy_of(folder, name):
    (path,) = (folder / "policies").glob(f"{name}*")
    return path, read_policy(path, own(path))


def test_every_run_has_a_policy_that_plays_its_last_evaluation_again(folder):
    # Controls act with the CVAE alone, and have no file.
    rows = [row for row in read_rows(folder / "results.csv") if row.update == 40 and row.algorithm not in CONTROLS]
    policies = [read_policy(path, own(path)) for path in (folder / "policies").glob("*.npz")]
    assert len(policies) == len(rows) == 6
    for policy in policies:
        about = policy.about
        (row,) = [row for row in rows if (row.dataset, row.algorithm) == (about.dataset, about.label)]
        played = play(policy, about.environment, 1, about.seed)
        assert (played.episode_return[0], played.episode_length[0]) == (row.episode_return, row.episode_length)
        assert about.provenance["versions"]["jax"] == jax.__version__


def test_the_policy_of_each_runs_best_evaluation_plays_it_again(folder):
    rows = [row for row in read_rows(folder / "results.csv") if row.algorithm not in CONTROLS]
    best = [read_policy(path, own(path)) for path in (folder / "policies" / "best").iterdir()]
    assert len(best) == 6
    for policy in best:
        about = policy.about
        ours = [row for row in rows if (row.dataset, row.algorithm) == (about.dataset, about.label)]
        row = max(ours, key=lambda row: row.episode_return)
        assert about.update == row.update
        assert play(policy, about.environment, 1, about.seed).episode_return[0] == row.episode_return


def test_a_sweep_that_goes_on_takes_up_what_was_best():
    """Returns of two runs: the first one's file is of update 20, the second has none."""
    runs = [Run(Cell("d", "bc", 0.0), seed) for seed in (0, 1)]
    written = []
    writer = SimpleNamespace(
        places=lambda part: {run: place for place, run in enumerate(runs)},
        written=lambda part, place: (20, None)[place],
        write=lambda part, place, copied, update: written.append((place, update)),
        copy=lambda batch: batch,
    )

    def rows(update, *returns):
        empty = Row("d", "bc", 0, None, None, None, "", "d4rl", update, 0, 1, 0.0, 0.0, None)
        return [empty._replace(seed=seed, episode_return=value) for seed, value in enumerate(returns)]

    best = BestPolicies(writer, SimpleNamespace(read_rows=lambda: rows(20, 5.0, 9.0)))
    for update, returns in ((40, (4.0, 1.0)), (60, (6.0, 0.0)), (80, (float("nan"), 2.0))):
        best.offer("part", "batch", None, update)
        best.see(rows(update, *returns))
    assert written == [(1, 40), (0, 60), (1, 80)]
    best.see(rows(100, 50.0, 50.0))  # of controls: no policies were offered


@pytest.mark.parametrize("name", ["hopper-random-r1_bcq", "walker2d-random-r1_plas"])
def test_a_fresh_process_without_the_folder_has_the_same_bits(folder, tmp_path, name):
    path, policy = policy_of(folder, name)
    alone = shutil.copy(path, tmp_path / "policy.npz")
    program = """
import hashlib, json, sys
import numpy as np
from plas_jax.evaluation.playing import play
from plas_jax.evaluation.policy_files import read_policy
policy = read_policy(sys.argv[1])
states = np.linspace(-1, 1, 5 * policy.about.sizes["observation"][0]).reshape(5, -1)
played = play(policy, policy.about.environment, 2, 7)
print(json.dumps([hashlib.sha256(policy(states, 3).tobytes()).hexdigest(), played.episode_return.tolist()]))
print(*sorted({name.split(".")[0] for name in sys.modules} & {"orbax", "h5py", "matplotlib"}))
"""
    words = [sys.executable, "-c", program, str(alone)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    first, loaded = done.stdout.splitlines()
    states = np.linspace(-1, 1, 5 * policy.about.sizes["observation"][0]).reshape(5, -1)
    played = play(policy, policy.about.environment, 2, 7)
    assert json.loads(first) == [
        hashlib.sha256(policy(states, 3).tobytes()).hexdigest(),
        played.episode_return.tolist(),
    ]
    assert loaded == ""


def test_a_policy_takes_one_state_or_many_and_refuses_others(folder):
    policy = policy_of(folder, "hopper-random-r1_plas")[1]
    states = np.random.default_rng(0).normal(size=(4, 11))
    many = policy(states)
    assert many.shape == (4, 3)
    assert many.dtype == np.float32
    np.testing.assert_allclose(policy(states[0]), many[0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"takes observations of shape \[11\] or \[states, 11\], not \[17\]"):
        policy(np.zeros(17))


def test_what_a_method_draws_depends_on_the_step_alone(folder):
    policy = policy_of(folder, "hopper-random-r1_bcq")[1]
    state = np.zeros(11)
    np.testing.assert_array_equal(policy(state, 5), policy(state, 5))
    assert (policy(state, 5) != policy(state, 6)).any()


def test_evaluate_plays_a_folder_and_changes_nothing_in_it(folder, capsys):
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}
    # Only some of its policies are that method's.
    assert run(evaluate, capsys, folder, "--episodes=2", f"--method={OWN_METHOD}")[0] == 1
    names = [path for path in (folder / "policies").glob("*.npz") if own(path) is None]
    status, out, err = run(evaluate, capsys, *names, "--episodes=2")
    assert status == 0, err
    assert len(names) == 4
    assert all(path.name.removesuffix(".npz") in out for path in names)
    assert max(map(len, out.splitlines())) <= 80
    assert {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")
    } == before


def test_an_exported_policy_acts_alike_for_any_number_of_states(folder, tmp_path, capsys):
    path, policy = policy_of(folder, "walker2d-random-r1_plas")
    status, _, err = run(export, capsys, path, f"--output={tmp_path / 'policy.stablehlo'}")
    assert status == 0, err
    act = jax.export.deserialize((tmp_path / "policy.stablehlo").read_bytes())
    assert act.platforms == ("cpu", "cuda", "tpu")
    for count in (1, 7):
        states = np.random.default_rng(count).normal(size=(count, 17)).astype(np.float32)
        np.testing.assert_allclose(act.call(states), policy(states), atol=1e-6)
    sampling = policy_of(folder, "walker2d-random-r1_bcq")[0]
    assert run(export, capsys, sampling, f"--output={tmp_path / 'bcq.stablehlo'}")[0] == 0
    act = jax.export.deserialize((tmp_path / "bcq.stablehlo").read_bytes())
    assert act.call(np.zeros((3, 17), np.float32), np.uint32(1)).shape == (3, 6)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_film_of_an_episode(folder, tmp_path):
    path = policy_of(folder, "hopper-random-r1_plas")[0]
    program = "import sys; from plas_jax.commands.evaluate import main; sys.exit(main())"
    words = [sys.executable, "-c", program, str(path), "--episodes=1", f"--video={tmp_path / 'film.mp4'}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if "cannot draw off screen" in done.stderr:
        pytest.skip("neither EGL nor OSMesa is here")
    assert done.returncode == 0, done.stderr
    imageio = pytest.importorskip("imageio.v2")
    pictures = list(imageio.get_reader(tmp_path / "film.mp4").iter_data())
    steps = play(read_policy(path), ENVIRONMENTS["hopper"], 1, 0).episode_length[0]
    assert abs(len(pictures) - (steps // 4 + 1)) <= 2
    assert all(picture.std() > 5 for picture in pictures)  # something is to be seen
    assert (pictures[0] != pictures[-1]).mean() > 0.01  # and it moves


def test_where_nothing_can_be_drawn_one_line_says_so(folder):
    path = policy_of(folder, "hopper-random-r1_plas")[0]
    program = "import sys; from plas_jax.commands.evaluate import main; sys.exit(main())"
    words = [sys.executable, "-c", program, str(path), "--video=film.mp4"]
    environment = by_subprocess.command("x")[1] | {"MUJOCO_GL": "nothing"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --video: MuJoCo cannot draw off screen")
    assert len(done.stderr.splitlines()) == 1


def test_a_method_of_ones_own_is_named_and_must_be_the_one_that_trained(folder, tmp_path, capsys):
    path = next((folder / "policies").glob("hopper*filtered*"))
    status, _, err = run(evaluate, capsys, path)
    assert status == 1
    assert "filtered_cloning is a method of one's own: name the Python file that has it" in err
    assert run(evaluate, capsys, path, f"--method={OWN_METHOD}")[0] == 0
    changed = tmp_path / "filtered_cloning.py"
    changed.write_text(OWN_METHOD.read_text("utf-8") + "\n# another day's\n", "utf-8")
    status, _, err = run(evaluate, capsys, path, f"--method={changed}")
    assert status == 1
    assert "which is not that of filtered_cloning" in err


def rewritten(path, target, change):
    arrays = dict(np.load(path))
    about = json.loads(arrays["about"].tobytes())
    change(arrays, about)
    if "about" in arrays:
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(target, **arrays)
    return target


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda arrays, about: arrays.pop("about"), "not a policy"),
        (lambda arrays, about: about.update(format=99), "a policy of format 99"),
        (lambda arrays, about: about.pop("seed"), "about: seed is missing"),
        (lambda arrays, about: about.update(method="plass"), "plass is a method of one's own"),
        (lambda arrays, about: about["architecture"].pop("cvae_width"), "plas has the shapes"),
        (lambda arrays, about: about["architecture"].update(policy_widths=[16, "wide"]), "cannot be built"),
        (lambda arrays, about: about.update(knobs={"magic": 1.0}), "plas has the knobs"),
        (lambda arrays, about: about["sizes"].update(action=[3]), "sizes: action"),
        (lambda arrays, about: arrays.pop(sorted(arrays)[-1]), "is missing, which plas acts by"),
        (lambda arrays, about: arrays.update({sorted(arrays)[-1]: np.zeros(3)}), "and plas has float32"),
    ],
)
def test_a_file_that_is_no_policy_is_one_line(folder, tmp_path, change, says):
    path = rewritten(policy_of(folder, "hopper-random-r1_plas")[0], tmp_path / "changed.npz", change)
    with pytest.raises(ValueError, match=says) as refused:
        read_policy(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_an_object_in_a_policy_is_not_unpickled(folder, tmp_path):
    def change(arrays, about):
        arrays["surprise"] = np.array([print], object)

    path = rewritten(policy_of(folder, "hopper-random-r1_plas")[0], tmp_path / "changed.npz", change)
    with pytest.raises(ValueError, match="cannot be read as arrays of numbers"):
        read_policy(path)


def test_a_file_that_names_code_is_not_obeyed(folder, tmp_path, capsys):
    def change(arrays, about):
        about["environment"]["specification"] = json.dumps({"id": "Mine-v0", "entry_point": "os:system"})

    path = rewritten(policy_of(folder, "hopper-random-r1_plas")[0], tmp_path / "changed.npz", change)
    status, _, err = run(evaluate, capsys, path)
    assert status == 1
    assert "error:" in err
    assert run(evaluate, capsys, path, "--environment=hopper", "--episodes=1")[0] == 0


def test_names_of_files_lead_nowhere_else(folder):
    about = policy_of(folder, "hopper-random-r1_plas")[1].about
    names = {file_name(replace(about, dataset=name)) for name in ("minari:a/b-v0", "minari:a_b-v0", "..", "a b@C-v0")}
    assert len(names) == 4
    assert all("/" not in name and " " not in name for name in names)
