"""d3rlpy beside us: the environment that is made for it, the conversation with it, and what the benchmark says of it.

Its environment is not needed here: a script that speaks the same protocol, or answers like a pip, takes its place.
"""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import pytest
from by_subprocess import call

from plas_jax.algorithms import plas
from plas_jax.methods.presets import PAPER_KNOBS
from plas_jax.performance.throughput import peer_environment
from plas_jax.performance.throughput.cases import ALGORITHMS, Case, random_rows
from plas_jax.performance.throughput.peer_environment import environment_folder, interpreter, peer_python
from plas_jax.performance.throughput.peer_training import D3RLPY, SCRIPT, has_counterpart, training_peer
from plas_jax.training.kept_programs import cache_folder
from plas_jax.types import Sizes

CASE = Case("plas", "paper", 1, 2, D3RLPY)
# Keeps what it was asked for beside itself; answers 10, 20, 30 … updates/s.
ANSWERING = """
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
request = json.loads(sys.stdin.readline())
(here / "request.json").write_text(json.dumps(request))
shutil.copy(request["rows"], here / "rows.npz")
print(json.dumps({"versions": {}}), flush=True)
for count, _ in enumerate(sys.stdin, start=1):
    (here / "asked").write_text(str(count))
    print(json.dumps({"updates_per_second": 10.0 * count, "peak_memory": 2**30}), flush=True)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def fake_peer(tmp_path, program):
    """An environment whose Python runs this program, whatever it is asked to run."""
    (tmp_path / "peer.py").write_text(program)
    executable(interpreter(environment_folder()), f"exec {sys.executable} {tmp_path / 'peer.py'}")


# The environment


def test_the_cache_folder_is_where_the_user_keeps_caches(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "plas_jax"
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == tmp_path / ".cache" / "plas_jax"


def test_other_pins_are_another_environment(monkeypatch):
    before = environment_folder()
    assert "d3rlpy-2.8.1" in before.name
    monkeypatch.setattr(peer_environment, "PINS", ("d3rlpy==9.9.9", "torch==2.13.0"))
    assert environment_folder() != before


def pip_that(monkeypatch, *, install, first_import="exit 0"):
    """Make virtual environments whose Python answers like pip, then to the first import; counts them."""
    made = []

    def create(folder, **_):
        made.append(folder)
        executable(interpreter(folder), f'case "$*" in *"pip install"*) {install};; *) {first_import};; esac')

    monkeypatch.setattr(peer_environment.venv, "create", create)
    return made


def test_it_is_made_once_and_says_what_it_downloads_before(monkeypatch):
    made, told = pip_that(monkeypatch, install='echo "Collecting torch"; echo "  Using cached x"'), []
    python = peer_python(told.append)
    assert python == interpreter(environment_folder())
    assert python.exists()
    assert "torch==2.13.0" in told[0]
    assert "0.3 GB to download" in told[0]
    assert told[1] == "install d3rlpy: Collecting torch"
    assert not any("Using cached" in line for line in told)
    assert [path.name for path in cache_folder().iterdir()] == [environment_folder().name]
    told.clear()
    assert peer_python(told.append) == python
    assert len(made) == 1
    assert told == []


def test_pip_is_asked_for_the_pins_and_never_sees_our_packages(monkeypatch, tmp_path):
    pip_that(monkeypatch, install=f'echo "$*" > {tmp_path}/words')
    peer_python(lambda _: None)
    words = (tmp_path / "words").read_text().split()
    assert words[:4] == ["-I", "-m", "pip", "install"]
    assert words[-2:] == ["d3rlpy==2.8.1", "torch==2.13.0"]


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"install": 'echo "ERROR: no space"; echo "more words"; exit 1'}, "pip install failed: ERROR: no space"),
        ({"install": "echo killed; exit 137"}, "failed: killed"),
        ({"install": "exit 2"}, "failed: it said nothing"),
        (
            {"install": "exit 0", "first_import": 'echo "ImportError: no libgomp"; exit 1'},
            "import d3rlpy failed: ImportError: no libgomp",
        ),
    ],
)
def test_what_fails_is_told_in_one_line_and_leaves_nothing(answers, complaint, monkeypatch):
    pip_that(monkeypatch, **answers)
    with pytest.raises(OSError, match=r"cannot make .*d3rlpy-2\.8\.1") as raised:
        peer_python(lambda _: None)
    assert complaint in str(raised.value)
    assert list(cache_folder().iterdir()) == []


def test_an_interrupted_download_leaves_nothing(monkeypatch):
    pip_that(monkeypatch, install="echo Collecting torch; sleep 60")

    def interrupt(line):
        if "Collecting" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        peer_python(interrupt)
    assert list(cache_folder().iterdir()) == []


def test_of_two_commands_that_make_it_the_first_one_wins(monkeypatch):
    python = interpreter(environment_folder())
    pip_that(monkeypatch, install=f"mkdir -p {python.parent}; touch {python}")
    assert peer_python(lambda _: None) == python
    assert python.read_text() == ""
    assert len(list(cache_folder().iterdir())) == 1


# The conversation


def test_the_peer_is_asked_for_the_same_training(tmp_path):
    fake_peer(tmp_path, ANSWERING)
    with training_peer(CASE, seconds=1.5) as peer:
        assert peer.recv() == (None, 0)
        peer.send(None)
        assert peer.recv() == (10.0, 2**30)
        peer.send(None)
        assert peer.recv() == (20.0, 2**30)
    request = json.loads((tmp_path / "request.json").read_text())
    assert (request["policy_widths"], request["critic_widths"], request["cvae_width"]) == ([400, 300], [400, 300], 750)
    assert (request["batch_size"], request["threads"], request["seconds"]) == (100, 2, 1.5)
    assert request["perturbation_limit"] == 0.05
    for name in ("clip_weight", "discount", "polyak", "policy_learning_rate", "critic_learning_rate"):
        assert request[name] == getattr(PAPER_KNOBS, name)


def test_a_number_is_the_width_of_all_the_peers_layers(tmp_path):
    fake_peer(tmp_path, ANSWERING)
    with training_peer(CASE._replace(widths="64"), 1.0) as peer:
        peer.recv()
    request = json.loads((tmp_path / "request.json").read_text())
    assert (request["policy_widths"], request["critic_widths"], request["cvae_width"]) == ([64, 64], [64, 64], 64)


def test_the_peer_gets_the_same_data_as_episodes(tmp_path):
    fake_peer(tmp_path, ANSWERING)
    with training_peer(CASE, 1.0) as peer:
        peer.recv()
    ours = random_rows(next_actions=False).transitions
    with np.load(tmp_path / "rows.npz") as rows:
        np.testing.assert_array_equal(rows["observations"], ours.observation)
        np.testing.assert_array_equal(rows["actions"], ours.action)
        np.testing.assert_array_equal(rows["rewards"], ours.reward)
        # What it makes of the next row is our next observation, but where an episode ends.
        np.testing.assert_array_equal(rows["observations"][1:], ours.next_observation[:-1])
        assert np.flatnonzero(rows["timeouts"]).tolist() == list(range(999, 100_000, 1000))


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (
            "import sys; sys.stderr.write('Traceback\\nImportError: no torch\\n\\n'); sys.exit(3)",
            "3: ImportError: no t",
        ),
        ("", "ended with status 0: it said nothing"),
        ("print('[info] hello')", "said what is no answer: [info] hello"),
        ("print('[1, 2]')", "said what is no answer: [1, 2]"),
    ],
)
def test_a_peer_that_does_not_answer_is_quoted(program, complaint, tmp_path):
    fake_peer(tmp_path, program)
    with training_peer(CASE, 1.0) as peer, pytest.raises(OSError, match="measures d3rlpy") as raised:
        peer.recv()
    assert complaint in str(raised.value)


def test_a_peer_that_dies_between_two_questions_is_told(tmp_path):
    fake_peer(tmp_path, 'input(); print("{}", flush=True)')
    with training_peer(CASE, 1.0) as peer:
        peer.recv()
        with pytest.raises(OSError, match="ended with status 0"):
            peer.recv()
        peer.send(None)  # to nobody
        with pytest.raises(OSError, match="ended with status 0"):
            peer.recv()


def test_a_peer_ends_with_its_conversation_even_at_work(tmp_path):
    working = f"""
import os, pathlib, time
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
print("{{}}", flush=True)
time.sleep(60)
"""
    fake_peer(tmp_path, working)
    with training_peer(CASE, 1.0) as peer:
        peer.recv()
        peer.send(None)
        left = time.monotonic()
    assert time.monotonic() - left < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_has_a_counterpart():
    assert {name for name in ALGORITHMS if has_counterpart(name)} == {"plas", "plas+p"}


# The command


@pytest.mark.slow
def test_the_command_prints_both_and_their_ratio(tmp_path):
    fake_peer(tmp_path, ANSWERING)
    flags = ("--algorithms=plas", "--widths=8", "--runs=3", "--seconds=0.05", "--rounds=2")
    done = call("throughput.py", "--json", "--against=d3rlpy", *flags, timeout=300)
    assert done.returncode == 0, done.stderr
    theirs, ours = (json.loads(line) for line in done.stdout.splitlines())
    assert (theirs["algorithm"], theirs["widths"], theirs["runs"]) == ("d3rlpy plas", 8, 1)
    assert theirs["lowest_and_highest"] == [10.0, 20.0]
    assert theirs["peak_memory"] == 2**30
    assert theirs["compile_seconds"] is theirs["against_d3rlpy"] is theirs["ratio_to_alone"] is None
    assert (ours["algorithm"], ours["runs"]) == ("plas", 3)
    lowest, highest = ours["lowest_and_highest"]
    assert lowest / 20 <= ours["against_d3rlpy"] <= highest / 10
    assert (tmp_path / "asked").read_text() == "2"


@pytest.mark.slow
def test_the_command_quotes_a_pip_that_finds_nothing(tmp_path, monkeypatch):
    """A real virtual environment and a real pip."""
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    done = call("throughput.py", "--against=d3rlpy", "--algorithms=plas", timeout=300)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: cannot make ")
    assert "No matching distribution found for d3rlpy==2.8.1" in done.stderr.splitlines()[-1]
    assert list(cache_folder().iterdir()) == []


def test_a_cache_folder_that_cannot_be_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    done = call("throughput.py", "--against=d3rlpy", "--algorithms=plas", timeout=300)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: cannot make ")
    assert "Traceback" not in done.stderr


# d3rlpy itself, where its environment has been made


@pytest.fixture
def real(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    if not environment_folder().exists():
        pytest.skip("d3rlpy's environment has not been made: benchmarks/throughput.py --against=d3rlpy makes it")
    return interpreter(environment_folder())


@pytest.mark.slow
@pytest.mark.usefixtures("real")
def test_d3rlpy_trains():
    with training_peer(CASE._replace(widths="16"), seconds=0.3) as peer:
        assert peer.recv() == (None, 0)
        for _ in range(2):
            peer.send(None)
            rate, peak = peer.recv()
            assert 1 < rate < 1e5
            assert peak > 2**26


COUNTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import d3rlpy_plas
request = json.loads(sys.argv[2])
modules = d3rlpy_plas.algorithm(request, d3rlpy_plas.replay_buffer(request["rows"])).impl.modules
count = lambda *of: sum(parameter.numel() for module in of for parameter in module.parameters())
json.dump({"policy": count(modules.policy, modules.perturbation), "critics": count(modules.q_funcs),
           "cvae": count(modules.vae_encoder, modules.vae_decoder)}, sys.stderr)
"""


@contextmanager
def asked_of(tmp_path, monkeypatch):
    """The request and the rows of a conversation with a peer that keeps them."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        fake_peer(tmp_path, ANSWERING)
        with training_peer(CASE, 1.0) as peer:
            peer.recv()
    yield json.loads((tmp_path / "request.json").read_text()) | {"rows": str(tmp_path / "rows.npz")}


@pytest.mark.slow
def test_d3rlpys_networks_are_as_large_as_ours(real, tmp_path, monkeypatch):
    with asked_of(tmp_path, monkeypatch) as request:
        words = [str(real), "-I", "-c", COUNTED, str(Path(SCRIPT).parent), json.dumps(request)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stderr.splitlines()[-1])
    sizes = Sizes.of(17, 6)
    from plas_jax.models.cvae import CVAE

    inputs = [jax.ShapeDtypeStruct((1, width), np.float32) for width in (17, 6, 12)]
    cvae = jax.eval_shape(CVAE(sizes, 750).init, jax.random.key(0), *inputs)
    architecture = plas.Architecture((400, 300), (400, 300), 750, 100)
    state = jax.eval_shape(lambda key, cvae: plas.init(key, architecture, sizes, cvae), jax.random.key(0), cvae)

    def count(tree):
        return sum(leaf.size for leaf in jax.tree.leaves(tree))

    assert theirs == {
        "policy": count(state.policy.parameters),
        "critics": count(state.critics.parameters),
        "cvae": count(cvae),
    }
