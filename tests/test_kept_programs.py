"""A second start takes the programs that the first one compiled, and comes to the same rows."""

import json
import subprocess

import jax
import jax.numpy as jnp
import pytest
from by_subprocess import command

from plas_jax.training import kept_programs, processor

WORDS = ["--preset=smoke", "--datasets=hopper-medium-r1", "--seeds=1", "--perturbation_limits=0.05"]


def test_programs_of_another_processor_are_not_taken(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = kept_programs.folder()
    assert here.is_relative_to(tmp_path / "plas_jax")
    assert kept_programs.folder() == here
    monkeypatch.setattr(kept_programs, "instruction_set", lambda: "another")
    assert kept_programs.folder() != here
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "asked"))
    assert kept_programs.folder() == tmp_path / "asked"


def test_processors_are_told_apart_by_name_and_instructions_alone(monkeypatch, tmp_path):
    def named(text):
        (tmp_path / "cpuinfo").write_text(text)
        return processor.instruction_set()

    monkeypatch.setattr(processor, "INFORMATION", tmp_path / "cpuinfo")
    here = named("model name\t: X\nflags\t: avx2\ncpu MHz\t: 2100\n")
    assert named("model name\t: X\nflags\t: avx2\ncpu MHz\t: 2900\n") == here
    assert named("model name\t: X\nflags\t: avx2 avx512f\ncpu MHz\t: 2100\n") != here
    assert named("model name\t: Y\nflags\t: avx2\ncpu MHz\t: 2100\n") != here


def test_a_program_that_is_read_has_its_own_names():
    def text(scope):
        def update(row):
            with jax.named_scope(scope):
                return jnp.cumsum(jnp.tanh(row))

        return jax.jit(update).lower(jnp.ones(30)).compile().as_text()

    with kept_programs.keeping_everything():
        text("yesterday")
        assert "yesterday" in text("today")  # what JAX does otherwise
        with kept_programs.under_its_names():
            names = text("today")
    assert "today" in names
    assert "yesterday" not in names


@pytest.mark.slow
def test_a_second_start_compiles_nothing_again(tmp_path):
    words, environment = command("sweep_perturbation.py", *WORDS, f"--data_dir={tmp_path}", home=tmp_path)
    for name in ("XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR", kept_programs.SHORTEST):
        environment.pop(name, None)
    kept, rows, seconds = [], [], []
    for name in ("first", "second"):
        folder = tmp_path / name
        done = subprocess.run(
            [*words, f"--output={folder}"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        programs = (tmp_path / ".cache" / "plas_jax" / "programs").rglob("*-cache")
        kept.append({file.name: file.stat().st_mtime_ns for file in programs})
        rows.append((folder / "results.csv").read_bytes())
        manifest = json.loads((folder / "manifest.json").read_text())
        seconds.append(manifest["wall_seconds"]["compile"])
        assert manifest["executables"] == {"behaviour": 1, "policy": 1}
    assert kept[0]
    # What takes about as long as is worth a file may be kept by a busy second start alone; no training is among that.
    assert kept[0].items() <= kept[1].items()
    assert not [name for name in kept[1].keys() - kept[0].keys() if "run_chunk" in name]
    assert rows[0] == rows[1]
    assert seconds[1] < seconds[0]


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    words, environment = command(
        "sweep_perturbation.py", *WORDS, f"--data_dir={tmp_path}", f"--output={tmp_path / 'out'}"
    )
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "file")}
    environment.pop("JAX_COMPILATION_CACHE_DIR")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
