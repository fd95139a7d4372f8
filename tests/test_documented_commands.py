"""The documented commands, as they stand but for their size: what a reader types ends well."""

import importlib

import by_subprocess
import pytest
from by_subprocess import ROOT
from test_docs import CALL, DOCUMENTS, is_ready, lines, name_of, words_of

TABLES = ("sweep_perturbation", "sweep_latent_action", "d4rl_scores")
OF_A_FOLDER = ("check_method", "evaluate", "export", "report", "resume", "status")  # or of a file
SIZES = ("updates=", "evaluations", "episodes=", "rows=", "plas.policy.updates=")
pytestmark = pytest.mark.slow


def documented(names):
    """Every documented call of these commands once: the name and its words."""
    found = set()
    for path in DOCUMENTS:
        for line in lines(path.read_text("utf-8")):
            if calls := list(CALL.finditer(line)):
                name = name_of(calls[-1].group())
                words = words_of(line[calls[-1].end() :])
                if name in names and is_ready(word for word in words if name in TABLES):
                    found.add((name, *words))
    return sorted(found)


def small(call):
    """A table's call with one seed, its first data set as it is made here, at most two methods and few updates."""
    name, *words = call
    given = dict(word.split("=", 1) for word in words if "=" in word and not word.startswith("--set="))
    dataset = given.get("--datasets", "hopper-medium-r1").split(",")[0].replace("-v0", "-r1")
    kept = ["--preset=smoke", "--seeds=1", f"--datasets={dataset}"]
    if name == "d4rl_scores":
        methods = given.get("--algorithms", "bc").split(",")
        kept.append(f"--algorithms={','.join([methods[0], *methods[1:][-1:]])}")
    kept += [f"{flag}={given[flag]}" for flag in ("--perturbation_limits", "--latent_limits") if flag in given]
    settings = [word.removeprefix("--set=") for word in words if word.startswith("--set=")]
    return name, *kept, *(f"--set={setting}" for setting in settings if not setting.startswith(SIZES))


@pytest.mark.parametrize("call", dict.fromkeys(map(small, documented(TABLES))), ids=" ".join)
def test_every_documented_table_is_made(call, data, tmp_path):
    name, *words = call
    done = by_subprocess.call_here(f"{name}.py", *words, f"--data_dir={data}", f"--output={tmp_path / 'out'}", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """The folder of the README's first sweep, as small."""
    made = tmp_path_factory.mktemp("documented") / "results"
    words = ("--preset=smoke", "--datasets=hopper-medium-r1", "--perturbation_limits=0,0.05", "--seeds=1")
    done = by_subprocess.call_here("sweep_perturbation.py", *words, f"--data_dir={data}", f"--output={made}")
    assert done.returncode == 0, done.stderr
    return made


# A film is a process's own: MuJoCo chooses what draws when it is imported (test_kept_policies.py).
@pytest.mark.parametrize(
    "call", [call for call in documented(OF_A_FOLDER) if call[1:] and "--video" not in " ".join(call)], ids=" ".join
)
def test_every_documented_command_takes_what_a_sweep_leaves(call, folder, tmp_path, monkeypatch, capsys):
    policy = next((folder / "policies").glob("*.npz"))
    there = {
        "results/FOLDER/policies/hopper-medium-r1_plas_seed=0.npz": policy,
        "results/FOLDER": folder,
        "results/borrowed/training": folder,
        "FOLDER": folder,
        "FILE.py": ROOT / "docs" / "own_method" / "filtered_cloning.py",
        "docs/tables_2_and_3": ROOT / "docs" / "tables_2_and_3",
        "--episodes=100": "--episodes=1",
    }
    name, *words = call
    monkeypatch.chdir(tmp_path)
    command = importlib.import_module(f"plas_jax.commands.{name}")
    status, _, said = by_subprocess.run(command, capsys, *(there.get(word, word) for word in words))
    assert status == 0, said
