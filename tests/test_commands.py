"""The installed entry point and what every command shares."""

import io
import os
import signal
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
from absl import flags
from rich.console import Console

from plas_jax.commands import plas_jax
from plas_jax.commands.invocation import invoke
from plas_jax.files.messages import clock
from plas_jax.results.folder import OutputFolder
from plas_jax.sweeps import progress
from plas_jax.sweeps.interruption import Interrupted, Interruption, Terminated
from plas_jax.sweeps.progress import Watch

ROOT = Path(__file__).parents[1]


def entry_point(*arguments):
    words = [str(Path(sys.executable).with_name("plas-jax")), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_every_command_is_listed_and_every_script_has_one():
    listed = set(plas_jax.COMMANDS)
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert (
        scripts | {"datasets", "plan", "check_method", "doctor", "resume", "status", "evaluate", "export", "report"}
        == listed
    )
    said = entry_point("--help")
    assert said.returncode == 0
    assert all(name.replace("_", "-") in said.stdout for name in listed)
    headings = [line for line in said.stdout.splitlines()[1:] if line and not line.startswith((" ", "usage"))]
    assert headings == ["make tables", "data", "check"]
    assert max(map(len, said.stdout.splitlines())) <= 100


def test_a_reader_who_has_read_enough_is_no_error():
    words = [str(Path(sys.executable).with_name("plas-jax")), "--help"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(timeout=60) == 0


def test_the_entry_point_hands_arguments_on():
    done = entry_point("fidelity", str(ROOT / "tests" / "golden" / "dynamics_v2.npz"))
    assert done.returncode == 0, done.stderr
    assert "faithful" in done.stdout


def test_an_unknown_command_is_one_line():
    done = entry_point("sweep_perturbations")
    assert done.returncode == 2
    assert done.stderr == "error: 'sweep_perturbations' is no command; did you mean sweep-perturbation?\n"
    assert "there are sweep-perturbation, " in entry_point("x").stderr


def test_a_command_has_hyphens_or_underscores_and_the_package_a_version():
    assert entry_point("data-returns", "--help").stdout == entry_point("data_returns", "--help").stdout
    assert entry_point("--version").stdout == f"plas_jax {version('plas_jax')}\n"


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ValueError("two\nlines"), 1, "error: two lines"),
        (FileNotFoundError(2, "No such file or directory", "here.npz"), 1, "error: here.npz: No such file"),
        (MemoryError("too much"), 1, "error: too much"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
    ],
)
def test_errors_become_one_line(capsys, error, status, says):
    def run():
        raise error

    assert invoke(run, flags.FlagValues(), "usage", []) == status
    said = capsys.readouterr().err
    assert said.startswith(says)
    assert len(said.splitlines()) == 1


def test_a_programming_error_is_not_hidden():
    def run():
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        invoke(run, flags.FlagValues(), "usage", [])


def test_the_first_signal_asks_and_the_second_stops():
    before = signal.getsignal(signal.SIGINT)  # ignored where the tests run in the background of a shell
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted) as caught:
            interruption.check()
        assert caught.value.status == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before


def test_termination_asks_too_and_has_a_status_of_its_own():
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            interruption.check()
    assert caught.value.status == 143


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[]", "is not an object"),
        (b"{}", "it has no arguments"),
        (b'{"arguments": 1}', "arguments: 1 is not an object"),
        (b"{", "not JSON: Expecting"),
        (b"\xff", "not JSON: byte 0 is not UTF-8"),
    ],
)
def test_a_damaged_manifest_is_one_line(tmp_path, content, says):
    folder = OutputFolder(tmp_path)
    folder.manifest.write_bytes(content)
    with pytest.raises(ValueError, match=f"manifest.json.*{says}") as caught:
        folder.claim(None)
    assert "\n" not in str(caught.value)


def test_what_a_killed_process_was_writing_does_not_stand_in_the_way(tmp_path):
    left = tmp_path / ".manifest.json.1.partial"
    left.write_text("half")
    assert OutputFolder(tmp_path).claim(None) is None
    assert not left.exists()
    (tmp_path / "notes").write_text("of somebody else")
    with pytest.raises(FileExistsError, match="holds no sweep"):
        OutputFolder(tmp_path).claim(None)


def test_a_phase_has_one_bar_however_often_it_is_asked_for():
    screen = io.StringIO()
    watch = Watch(Console(file=screen, force_terminal=True, width=100))
    with watch:
        for done in range(1, 11):
            watch.rows_made("x", 100 * done, 1000)
        watch.phase("train", 10).show(5)
        assert len(watch.bars.tasks) == 1
    finished = [line for line in screen.getvalue().splitlines() if "make x: 100 %" in line]
    assert len(finished) == 1
    assert "1,000 of 1,000 rows" in finished[0]


def test_what_is_printed_beside_bars_goes_where_it_was_sent(capsys):
    with Watch(Console(file=io.StringIO(), force_terminal=True)):
        print("to a file")
    assert capsys.readouterr().out == "to a file\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_document_is_laid_out_on_a_terminal_and_stays_what_it_is_elsewhere(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr(progress, "Console", partial(Console, force_terminal=is_terminal, width=80))
    progress.print_markdown("| a | b |\n| --- | ---: |\n| c | 1 |")
    shown = capsys.readouterr().out
    assert ("|" in shown) == (not is_terminal)
    assert "c" in shown


def test_time_is_readable():
    assert [clock(seconds) for seconds in (0, 59.6, 61, 3723, -1)] == ["0:00", "1:00", "1:01", "1:02:03", "0:00"]
