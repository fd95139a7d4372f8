"""What a gate makes of accepted and measured results: whether they can be compared, and what moved."""

import numpy as np

from plas_jax.verification.gate.accepted import Accepted
from plas_jax.verification.gate.movement import DIVISIONS, movements, smallest_p
from plas_jax.verification.gate.report import Finding, finding
from plas_jax.verification.gate.request import Request
from plas_jax.verification.gate.runs import DATA

# A clean check fails at most this often. Half of what is promised, 1 %: the accepted seeds are drawn once, and every
# later check is compared with the same ones.
LEVEL = 0.005

OTHER_ROWS = (
    "the rows of {} are not those of the accepted results (other versions of MuJoCo or NumPy, or another kind of"
    " processor?): accept results made with these"
)


def comparable(asked: Request, known: Accepted) -> None:
    """Refuse before training what could not be compared after it: `ValueError`, one line."""
    for name, now in asked.suite().items():
        if known.suite.get(name) != now:
            raise ValueError(
                f"{asked.accepted} was made with {name} {known.suite.get(name)}, not {now}: accept this suite's results"
            )
    for dataset in asked.datasets:
        if not any(place.dataset == dataset.name for place in known.values):
            raise ValueError(f"{asked.accepted} has no results of {dataset.name}")
    missing = [label for label in _labels(asked) if not any(place.algorithm == label for place in known.values)]
    if missing:
        raise ValueError(f"{asked.accepted} has no results of {', '.join(missing)}")
    if smallest_p(len(known.seeds), len(asked.seeds)) > LEVEL:
        raise ValueError(f"--seeds: {len(asked.seeds)} against {len(known.seeds)} cannot decide at p ≤ {LEVEL:g}")


def replaceable(asked: Request, known: Accepted) -> None:
    """Refuse to lose what a file has and the new results have not: `ValueError`, one line."""
    names = {dataset.name for dataset in asked.datasets}
    lost = {place.dataset for place in known.values} - names
    lost |= {place.algorithm for place in known.values if place.algorithm != DATA} - set(_labels(asked))
    if lost and all(not method.grid or method.name == "plas" for method in asked.methods):
        raise ValueError(
            f"{asked.accepted} has results of {', '.join(sorted(lost))}, too: accept all, or choose another --accepted"
        )


def _labels(asked: Request) -> list[str]:
    """The names under which the methods' results stand; those of a method with a grid of its own are not foretold."""
    found = []
    for method in asked.methods:
        grid = dict(method.grid)
        if method.name == "plas":
            found += ["plas+p" if limit else "plas" for limit in grid["perturbation_limit"]]
        elif not grid:
            found.append(method.name)
    return found


def compare(known: Accepted, measured: Accepted, divisions: int = DIVISIONS) -> Finding:
    """The finding of a check. Data that came out otherwise leave it undecided, unless something else moved."""
    before, now = known.circumstances.get("contents", {}), measured.circumstances["contents"]
    others = [name for name in now if name in before and now[name] != before[name]]
    # A file of other rows has other sums; as seeds draw from it, it is compared all the same.
    kept = {
        place: of for place, of in measured.values.items()
        if not (place.dataset in others and place.algorithm == DATA and np.ptp(of) == 0)
    }  # fmt: skip
    undecided = [OTHER_ROWS.format(", ".join(others))] if others else []
    new = sorted({f"{place.measure} of {place.algorithm}" for place in kept if place not in known.values})
    asked = {place[:2] for place in kept}
    gone = sorted(place for place in known.values if place[:2] in asked and place not in measured.values)
    undecided += [f"{gone[0].measure} of {gone[0].algorithm} is no longer there"] if gone else []
    notes = [f"Not compared, since the accepted results have none: {', '.join(new)}."] if new else []
    return finding(movements(known.values, kept, divisions), LEVEL, undecided, notes)
