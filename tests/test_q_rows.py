"""q_errors.csv: each evaluation once whatever was interrupted, and one line for what is no such file."""

import numpy as np
import pytest
from by_subprocess import call_here, command, interrupt_at
from refusals import refused

from plas_jax.evaluation.q_error import QError
from plas_jax.results import diagnostics, q_rows
from plas_jax.results.diagnostics import Diagnostic, read_diagnostics, replace_diagnostics
from plas_jax.results.folder import OutputFolder
from plas_jax.results.metrics import MetricsRow, write_metrics
from plas_jax.results.q_rows import QRow, append_q_rows, read_q_rows, tidy_q_rows
from plas_jax.results.runs import Cell, Run


def q_row(update=1000, seed=0, mse=1.0, **cell):
    named = Cell("hopper-medium-r1", "plas", 0.0)._replace(**cell)
    return QRow(named, seed, update, 10, QError(500, mse, 0.25, 2.0, 0.5, -3.0, 0.1, 1 / 3, np.pi, 1e-9))


def test_rows_come_back_exactly_in_order_and_once(tmp_path):
    path = tmp_path / "q_errors.csv"
    rows = [q_row(2000), q_row(1000), q_row(1000, seed=1, knobs="latent_limit=0.5"), q_row(3000, mse=float("nan"))]
    append_q_rows(path, rows[:2])
    append_q_rows(path, rows[2:])
    assert repr(read_q_rows(path)) == repr([rows[1], rows[0], rows[3], rows[2]])
    tidy_q_rows(path)
    before = path.read_bytes()
    append_q_rows(path, [rows[0]])  # made again after an interruption
    tidy_q_rows(path)
    assert path.read_bytes() == before
    tidy_q_rows(tmp_path / "none.csv")
    assert [file.name for file in tmp_path.iterdir()] == ["q_errors.csv"]


def test_what_is_trained_anew_leaves_no_row_in_any_file(tmp_path):
    folder, names = OutputFolder(tmp_path), ("bc", "plas")
    cells = [Cell("hopper-medium-r1", name, 0.0) for name in names]
    append_q_rows(folder.q_errors, [q_row(algorithm=name) for name in names])
    replace_diagnostics(folder.diagnostics, [Diagnostic(Run(cell, 0), "active_latents", 1.0) for cell in cells])
    rows = [MetricsRow("hopper-medium-r1", name, "0", "", "", "", "", "policy", 1, {"loss": "1"}) for name in names]
    write_metrics(folder.metrics, rows)
    folder.forget({"plas", "cvae_prior"}, "plas", [])
    assert read_q_rows(folder.q_errors) == [q_row(algorithm="bc")]
    assert [each.run.cell for each in read_diagnostics(folder.diagnostics)] == cells[:1]
    assert folder.read_metrics() == rows[:1]


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    path = tmp_path / "q_errors.csv"
    append_q_rows(path, [q_row(1000), q_row(2000)])
    path.write_bytes(path.read_bytes()[:-7])
    assert read_q_rows(path) == [q_row(1000)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("dataset,", "data,", "line 1: the header"),
        (",500,", ",many,", "line 2: not a row of Q errors"),
        (",10,500", ",10", "line 2: not a row of Q errors"),
        ("hopper", '"hopper', "a line that is no CSV"),
        ("hopper", "x" * 200_000, "a line that is no CSV"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(tmp_path, old, new, says):
    path = tmp_path / "q_errors.csv"
    append_q_rows(path, [q_row()])
    path.write_text(path.read_text().replace(old, new, 1))
    assert len(refused(read_q_rows, path, says)) < 500


@pytest.mark.parametrize(("module", "read"), [(q_rows, read_q_rows), (diagnostics, read_diagnostics)])
def test_a_file_may_be_as_large_as_is_allowed_and_no_larger(tmp_path, monkeypatch, module, read):
    text = ",".join(module.HEADER) + "\n"
    (tmp_path / "rows.csv").write_text(text)
    monkeypatch.setattr(module, "LARGEST", len(text))
    assert read(tmp_path / "rows.csv") == []
    monkeypatch.setattr(module, "LARGEST", len(text) - 1)
    refused(read, tmp_path / "rows.csv", "not a file of")


@pytest.mark.slow
def test_a_sweep_writes_them_beside_the_same_results(tmp_path):
    words = ["--preset=smoke", "--algorithms=bc,td3+bc", "--datasets=hopper-medium-r1", "--seeds=1"]
    for name, more in (("plain", []), ("measured", ["--q_errors"])):
        done = call_here("d4rl_scores.py", *words, *more, f"--output={tmp_path / name}", home=tmp_path)
        assert done.returncode == 0, done.stderr
    plain, measured = tmp_path / "plain", tmp_path / "measured"
    assert (plain / "results.csv").read_bytes() == (measured / "results.csv").read_bytes()
    assert not (plain / "q_errors.csv").exists()
    rows = read_q_rows(measured / "q_errors.csv")
    assert {(row.cell.algorithm, row.seed) for row in rows} == {("td3+bc", 0)}
    assert [row.episodes for row in rows][-1] == 5 * rows[0].episodes
    assert all(np.isfinite(row.error).all() for row in rows)
    # Stopped while it measures and resumed, it has the same rows.
    stopped = tmp_path / "stopped"
    again = command("d4rl_scores.py", *words, "--q_errors", f"--output={stopped}", home=tmp_path)
    assert interrupt_at("td3+bc: Q errors at 20", *again) == 130
    done = call_here("d4rl_scores.py", *words, "--q_errors", f"--output={stopped}", "--resume", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (stopped / "q_errors.csv").read_bytes() == (measured / "q_errors.csv").read_bytes()
    assert 'id="q_errors"' in (measured / "report.html").read_text("utf-8")
    assert 'id="q_errors"' not in (plain / "report.html").read_text("utf-8")
