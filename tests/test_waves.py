"""A sweep larger than memory: cut into waves that fit, with the same rows."""

import os

import pytest
from by_subprocess import call_here, command, interrupt_at
from hypothesis import given, settings
from hypothesis import strategies as st

from plas_jax.environments.own_data import find
from plas_jax.methods.presets import PRESETS, plas_over
from plas_jax.sweeps.groups import groups, memory
from plas_jax.sweeps.manifest import method_record
from plas_jax.sweeps.waves import VARIABLE, available, wave_lines, waves

NAMES = [f"{robot}-{level}-r1" for robot in ("hopper", "walker2d", "halfcheetah") for level in ("random", "medium")]


def group(datasets, seeds, preset="paper"):
    method = plas_over(PRESETS[preset], "perturbation_limit", (0.0, 0.1))
    found = groups(method, PRESETS[preset].protocol(method), [find(name) for name in NAMES[:datasets]], seeds, "d4rl")
    return found[0]


def rows(datasets):
    return 1_000_000 * len(datasets)


def needed(part):
    return sum(memory(part, rows(part.datasets)))


@settings(max_examples=12)  # each cuts a group again and again
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.01, 1.2))
def test_waves_are_the_runs_of_the_group_and_fit(datasets, seeds, share):
    whole = group(datasets, tuple(range(3, 3 + seeds)))
    free = int(share * needed(whole))
    parts = waves(whole, rows, free)
    runs = [(dataset.name, seed) for part in parts for dataset in part.datasets for seed in part.seeds]
    assert sorted(runs) == sorted((dataset.name, seed) for dataset in whole.datasets for seed in whole.seeds)
    assert len({(len(part.datasets), len(part.seeds)) for part in parts}) == 1  # one shape, one program
    assert len({part.name for part in parts}) == len(parts)
    if max(map(needed, waves(whole, rows, 1))) <= free:  # as small as they get
        assert max(map(needed, parts)) <= free
        assert not any(line.startswith("warning") for line in wave_lines(parts, rows, free))
    else:
        assert len(parts) == datasets * seeds
        assert wave_lines(parts, rows, free)[0].startswith("warning")
    if share >= 1:
        assert parts == [whole]
        assert wave_lines(parts, rows, free) == []


def test_waves_are_as_few_as_fit_and_part_seeds_before_data_sets():
    whole = group(6, (0, 1, 2))
    three = waves(whole, rows, needed(whole) - 1)
    assert [part.seeds for part in three] == [(0, 1, 2)] * 2 or [part.seeds for part in three] == [(0,), (1,), (2,)]
    assert wave_lines(three, rows, needed(whole) - 1)[0].startswith(f"{whole.name}: {len(three)} waves of ")


def test_a_resumed_sweep_stays_as_it_was_cut():
    whole = group(6, (0, 1, 2))
    cut = waves(whole, rows, needed(whole) // 4)
    assert len(cut) > 1
    assert waves(whole, rows, 10**15, method_record(cut, [])) == cut
    assert waves(whole, rows, 10**15, method_record([whole], [])) == [whole]


@pytest.mark.parametrize(("text", "amount"), [("12GB", 12 * 10**9), ("1.5 MB", 1_500_000), ("2048", 2048)])
def test_what_may_be_used_can_be_said(monkeypatch, text, amount):
    monkeypatch.setenv(VARIABLE, text)
    assert available() == amount


@pytest.mark.parametrize("text", ["much", "-1GB", "0", "1 PB", "1e9"])
def test_what_is_no_amount_is_refused(monkeypatch, text):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match="PLAS_JAX_MEMORY takes an amount such as 12GB"):
        available()


def test_what_is_free_is_less_than_what_the_machine_has(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert 10**8 < available() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.slow
def test_waves_write_the_rows_of_one_sweep(tmp_path, monkeypatch):
    words = ["--preset=smoke", "--datasets=hopper-medium-r1,walker2d-random-r1", "--seeds=2", f"--data_dir={tmp_path}"]
    of = {}
    for name, amount in (("whole", "4GB"), ("waves", "2.5MB")):
        monkeypatch.setenv(VARIABLE, amount)
        called = ["sweep_perturbation.py", *words, f"--output={tmp_path / name}"]
        if name == "waves":  # and go on with more memory than it was cut for
            interrupt_at("plas-16-wave-1-of-2: train CVAEs", *command(*called))
            monkeypatch.setenv(VARIABLE, "4GB")
            called.append("--resume")
        done = call_here(*called)
        assert done.returncode == 0, done.stderr
        assert ("2 waves of 10 runs" in done.stdout) == (name == "waves")
        of[name] = (tmp_path / name / "results.csv").read_bytes()
    assert of["whole"] == of["waves"]
