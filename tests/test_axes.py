"""A sweep over λ beside another knob: rows apart by λ, each of them as a sweep without it."""

from test_reports import HOPPER, MANIFEST, cells, episode, sweep

from plas_jax.reports.tables.perturbation import table_1
from plas_jax.results.axes import by_knob
from plas_jax.results.manifest import Manifest
from plas_jax.results.runs import results


def weighted(weight, shift):
    rows = [row for row in sweep() if row.algorithm != "cvae_prior"]
    return [row._replace(knobs=f"clip_weight={weight}", clip_weight=weight, score=row.score + shift) for row in rows]


def test_each_weight_has_its_own_table_1_and_all_share_the_prior():
    prior = episode(20.0, algorithm="cvae_prior", update=0)
    parts = by_knob([*weighted(1.0, 0.0), *weighted(0.75, 40.0), prior], "clip_weight")
    assert list(parts) == ["0.75", "1.0"]
    shown = {weight: table_1(results(rows), Manifest.from_json(MANIFEST)) for weight, rows in parts.items()}
    (alone,) = by_knob(sweep(), "clip_weight").values()
    assert (
        cells(shown["1.0"], HOPPER, "here")[2:]
        == cells(table_1(results(alone), Manifest.from_json(MANIFEST)), HOPPER, "here")[2:]
    )
    assert "λ (clip_weight) 0.75" in shown["0.75"]
    assert cells(shown["0.75"], HOPPER, "here")[1] == "20.0 ‡"
    assert cells(shown["0.75"], HOPPER, "here")[2].startswith("70.0 ")


def test_other_knobs_stay_and_rows_without_any_are_one_part():
    rows = [episode(1.0, knobs="latent_limit=0.5 clip_weight=0.75"), episode(2.0, knobs="latent_limit=2.0")]
    assert {weight: [row.knobs for row in part] for weight, part in by_knob(rows, "clip_weight").items()} == {
        "0.75": ["latent_limit=2.0", "latent_limit=0.5"]
    }
    assert by_knob(rows[1:], "clip_weight") == {"": rows[1:]}
