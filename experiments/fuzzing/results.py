"""Fuzzing the readers of results: rows, manifests, accepted values."""

import contextlib
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

from fuzzing.mutations import damaged, damaged_csv
from fuzzing.target import ROOT, Target, each, json_writer

from plas_jax.results.manifest import Manifest
from plas_jax.results.rows import Row, read_rows

RESULTS = ROOT / "docs" / "tables_2_and_3"
GATE = ROOT / "benchmarks" / "accepted" / "gate.json"


def rows() -> Target:
    """Make the target of results.csv: read, then every table and, of one in 41, every figure."""
    from plas_jax.results.folder import OutputFolder  # noqa: PLC0415

    head, *lines = (RESULTS / "results.csv").read_text().splitlines(keepends=True)
    kept = "".join([head, *[line for line in lines if line.startswith("hopper-medium-r1")][::17]])
    manifest = Manifest.from_json(json.loads((RESULTS / "manifest.json").read_text()))
    turns = count()

    def write(random: Random, path: Path) -> None:
        text = damaged_csv(random, kept) if random.random() < 0.6 else None
        data = kept.encode() if text is None else text.encode("utf-8", "surrogatepass")
        path.write_bytes(data if text is not None and random.random() < 0.8 else damaged(random, data))

    def read(path: Path) -> None:
        read, turn = read_rows(path), next(turns)
        with OutputFolder(path.parent).named():
            _report(read, manifest if turn % 2 else Manifest(), path.parent, turn % 41 == 0)

    return Target(write, read)


def _report(rows: list[Row], manifest: Manifest, folder: Path, figures: bool) -> None:
    """Make every table, and the figures if asked to, of rows and a manifest."""
    from plas_jax.reports.figures.perturbation import perturbation_panel, score_curves  # noqa: PLC0415
    from plas_jax.reports.figures.scores import score_figure  # noqa: PLC0415
    from plas_jax.reports.lines import scores  # noqa: PLC0415
    from plas_jax.reports.tables.perturbation import table_1  # noqa: PLC0415
    from plas_jax.reports.tables.scores import score_tables  # noqa: PLC0415
    from plas_jax.reports.tables.scores_csv import score_csv  # noqa: PLC0415
    from plas_jax.results.runs import results  # noqa: PLC0415

    steps: list[Callable[[], object]] = [
        lambda: (folder / "table").write_text(table_1(results(rows), manifest), encoding="utf-8"),
        lambda: (folder / "table").write_text(score_tables(scores(rows, manifest), manifest), encoding="utf-8"),
        lambda: score_csv(scores(rows, manifest), manifest, folder / "scores"),
    ]
    if figures:
        figure = folder / "figure.png"
        steps += [
            lambda: perturbation_panel(results(rows), manifest, figure),
            lambda: score_curves(results(rows), manifest, figure),
            lambda: score_figure(scores(rows, manifest), manifest, figure),
        ]
    each(steps)


def manifests() -> Target:
    """Make the target of a sweep's manifest.json: claimed to be resumed, and behind the reports."""
    from plas_jax.results.folder import OutputFolder  # noqa: PLC0415
    from plas_jax.sweeps.manifest import refuse_other_data  # noqa: PLC0415

    kept = (RESULTS / "manifest.json").read_text()
    sound = json.loads(kept)
    few = [row for row in read_rows(RESULTS / "results.csv") if row.dataset == "hopper-medium-r1"][::17]

    class SameSweep(NamedTuple):
        resume: bool = True
        arguments: dict[str, object] = sound["arguments"]

    def read(path: Path) -> None:
        folder = OutputFolder(path.parent)
        folder.manifest = path
        manifest = folder.claim(SameSweep())
        assert manifest is not None
        refuse_other_data(manifest, {})
        folder.write_manifest(manifest)
        with folder.named():
            _report(few, manifest, path.parent, False)

    return Target(json_writer([kept]), read)


def accepted() -> Target:
    """Make the target of the gate's accepted values: read, and compared with sound ones in both directions."""
    from plas_jax.commands.score_regression import FLAGS  # noqa: PLC0415
    from plas_jax.verification.gate.accepted import read_accepted, write_accepted  # noqa: PLC0415
    from plas_jax.verification.gate.comparison import comparable, compare  # noqa: PLC0415
    from plas_jax.verification.gate.junit import junit  # noqa: PLC0415
    from plas_jax.verification.gate.report import regression_report  # noqa: PLC0415
    from plas_jax.verification.gate.request import request  # noqa: PLC0415

    kept = json.loads(GATE.read_text())
    for methods in kept["values"].values():
        for name, measures in methods.items():
            methods[name] = dict(list(measures.items())[:3])
    sound = read_accepted(GATE)
    FLAGS(["", "--output=nowhere"])
    sound_request = request(FLAGS)

    def read(path: Path) -> None:
        known = read_accepted(path)
        with contextlib.suppress(ValueError):
            comparable(sound_request._replace(accepted=path), known)
        comparison = compare(known, sound, divisions=20)
        regression_report(comparison), junit(comparison, 1.0), known.history_of_successor()
        write_accepted(path.parent / "again", known)

    return Target(json_writer([json.dumps(kept)]), read)


def recipes() -> Target:
    """Make the target of the manifest beside a recipe's file, as `list`, `make` and `validate` read it."""
    from plas_jax.datasets.catalogue import parse  # noqa: PLC0415
    from plas_jax.recipes import manifests  # noqa: PLC0415
    from plas_jax.verification.data.listing import _made  # noqa: PLC0415

    file = "hopper-medium-r1-9.hdf5"
    sound = {
        "name": "hopper-medium-r1", "rows": 9, "seed": 0, "fingerprint": "00", "bytes": 4, "sha256": "11",
        "rows_made": 9, "episodes": 2, "terminals": 1, "timeouts": 1, "return_mean": 1.5, "return_std": None,
    }  # fmt: skip

    def read(path: Path) -> None:
        recipe = path.with_name(file)
        recipe.write_bytes(b"rows")
        path.replace(manifests.beside(recipe))
        for made, manifest in manifests.made(recipe.parent, "hopper-medium-r1"):
            "".join(_made(made, manifest).cells(parse("hopper-medium-r1"))).encode()
            manifests.reusable(made, "00"), manifest["sha256"].lower()
        manifests.beside(recipe).unlink()

    return Target(json_writer([json.dumps(sound)]), read)
