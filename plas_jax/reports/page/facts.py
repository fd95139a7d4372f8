"""What the page says in words: where numbers come from, which data, what the manifest holds."""

import json
from collections.abc import Sequence

from plas_jax.reports import markdown
from plas_jax.reports.heading import dynamics, score_marks, score_statistic
from plas_jax.reports.page.html import Html, cut, cut_long, element, folded, joined, name, table
from plas_jax.reports.page.loaded import Loaded
from plas_jax.reports.provenance import here, known, shown

LONGEST_MANIFEST = 200_000  # characters


def facts(folder: Loaded) -> Html:
    """Return the facts of a folder as a list of terms, under its name, with what a reader must know first."""
    manifest, scores = folder.manifest, folder.scores
    runs = len(scores.reported) + len(scores.choosing)
    diverged = sum(run in scores.results.diverged for run in (*scores.reported, *scores.choosing))
    parts = [each.wall_seconds for each in manifest.methods.values()] or [manifest.wall_seconds]
    seconds = manifest.wall_seconds.get("data", 0.0) * bool(manifest.methods) + sum(
        sum(part.values()) for part in parts
    )
    terms = {
        "Numbers": here(scores.results, manifest),
        "Runs": f"{runs:,} on {len(scores.datasets)} data sets, seeds {known(manifest, 'seeds')}; {diverged} diverged",
        "Score": f"D4RL's normalisation, {score_statistic(scores, manifest)}",
        "Dynamics": dynamics(scores, manifest),
        "Wall time": f"{seconds / 60:,.1f} minutes" if seconds else "not recorded",
        "Device": f"{known(manifest, 'device')}; matrix precision {known(manifest, 'matmul_precision')}",
        "Versions": ", ".join(f"{package} {number}" for package, number in manifest.versions.items()) or "not recorded",
        "Commit": known(manifest, "git_commit")[:40],
    }
    pairs = [element("div", element("dt", term), element("dd", cut_long(text))) for term, text in terms.items()]
    marks = [element("p", cut_long(mark), class_="mark") for mark in score_marks(scores, manifest)]
    return joined([element("h2", name(folder.name)), *marks, element("dl", *pairs)])


def data_and_manifest(folders: Sequence[Loaded]) -> Html:
    """Return the data sets with their fingerprints, and each manifest as it stands in its folder."""
    parts = [element("h2", "Data and manifest")]
    for folder in folders:
        body = [
            [
                name(dataset),
                record.version or markdown.DASH,
                shown(record.transitions) if record.transitions is not None else markdown.DASH,
                shown(record.episodes) if record.episodes is not None else markdown.DASH,
                markdown.number(record.mean_return),
                markdown.number(record.score),
                element("code", record.fingerprint or markdown.DASH),
            ]
            for dataset, record in folder.manifest.datasets.items()
        ]
        header = ["data set", "version", "transitions", "episodes", "mean return", "score", "fingerprint (sha256)"]
        parts.append(table(f"Data of {cut(folder.name)}", header, body))
        text = json.dumps(folder.manifest.to_json(), indent=1, default=str, ensure_ascii=False)
        whole = text if len(text) <= LONGEST_MANIFEST else f"{text[:LONGEST_MANIFEST]}\n… (the rest is in its file)"
        parts.append(folded(f"manifest.json of {cut(folder.name)}", element("pre", whole, tabindex="0")))
    return element("section", *parts, id="manifest")
