"""Scripts as a user calls them, called or stopped in a process of their own, or run in this one."""

import io
import os
import runpy
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]


def command(script, *arguments, home=None):
    """The words that call a script of `benchmarks`, and an environment that knows no folder of data."""
    environment = os.environ | ({"HOME": str(home)} if home else {})
    environment.pop("D4RL_DATASET_DIR", None)
    return [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)], environment


def call(script, *arguments, home=None, **options):
    words, environment = command(script, *arguments, home=home)
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, **options)


def call_here(script, *arguments, home=None, cwd=None):
    """The same in this process, which has imported and compiled already: where the process is not what is tested.

    A path leads to a script outside `benchmarks`.
    """
    words, out, err = [str(ROOT / "benchmarks" / script), *map(str, arguments)], io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        patch.delenv("D4RL_DATASET_DIR", raising=False)
        patch.setenv("JAX_NUM_CPU_DEVICES", str(jax.device_count()))  # which cannot be set twice
        if home:
            patch.setenv("HOME", str(home))
        patch.chdir(cwd or Path.cwd())
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(words[0], run_name="__main__")
    return subprocess.CompletedProcess(words, ended.value.code, out.getvalue(), err.getvalue())


def run(module, capsys, *words):
    """Call a command of `plas-jax` in this process, by its module; returns its exit status, stdout and stderr."""
    module.FLAGS.unparse_flags()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["plas-jax", *map(str, words)])
        status = module.main()
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def interrupt_at(phase, words, environment, number=signal.SIGINT):
    """Send Ctrl-C, or another signal, as soon as a phase is seen; returns the exit status."""
    return stopped_at(phase, words, environment, number)[0]


def stopped_at(phase, words, environment, number):
    """Send a signal as soon as a phase is seen; returns the exit status and what was said on stderr after it."""
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stderr:
            if line.startswith(phase):
                running.send_signal(number)
                break
        said = running.communicate(timeout=120)[1]
    return running.returncode, said
