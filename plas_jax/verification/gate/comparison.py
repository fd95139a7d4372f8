"""What a gate makes of accepted and measured results: whether they can be compared, and what moved."""

from collections.abc import Sequence

import numpy as np

from plas_jax.methods.scales import SMOKE
from plas_jax.verification.gate.accepted import Accepted
from plas_jax.verification.gate.movement import DIVISIONS, movements, smallest_p
from plas_jax.verification.gate.replays import Replay
from plas_jax.verification.gate.report import Verdict, verdict
from plas_jax.verification.gate.request import GateRequest
from plas_jax.verification.gate.runs import DATA
from plas_jax.verification.gate.unmeasured import unmeasured

# A clean check fails at most this often. Half of what is promised, 1 %: the accepted seeds are drawn once, and every
# later check is compared with the same ones.
LEVEL = 0.005
NAMED = 5  # of the measures that are new

OTHER_ROWS = (
    "the rows of {} are not those of the accepted results (other versions of MuJoCo or NumPy, or another kind of"
    " processor?): accept results made with these"
)


def comparable(request: GateRequest, known: Accepted) -> None:
    """Refuse before training what could not be compared after it: `ValueError`, one line."""
    for name, now in request.suite().items():
        if (before := known.suite.get(name)) != now:
            raise ValueError(
                f"{request.accepted} was made with {name} {before}, not {now}: accept this suite's results"
            )
    for dataset in request.datasets:
        if not any(place.dataset == dataset.name for place in known.values):
            raise ValueError(f"{request.accepted} has no results of {dataset.name}")
    missing = [label for label in _labels(request) if not any(place.algorithm == label for place in known.values)]
    if missing:
        raise ValueError(f"{request.accepted} has no results of {', '.join(missing)}")
    if smallest_p(len(known.seeds), len(request.seeds)) > LEVEL:
        raise ValueError(f"--seeds: {len(request.seeds)} against {len(known.seeds)} cannot decide at p ≤ {LEVEL:g}")


def replaceable(request: GateRequest, known: Accepted) -> None:
    """Refuse to lose what a file has and the new results have not: `ValueError`, one line."""
    names = {dataset.name for dataset in request.datasets}
    lost = {place.dataset for place in known.values} - names
    lost |= {place.algorithm for place in known.values if place.algorithm != DATA} - set(_labels(request))
    if lost and all(not method.grid or method.name == "plas" for method in request.methods):
        raise ValueError(
            f"{request.accepted} has results of {', '.join(sorted(lost))}, too: accept all, or choose another "
            "--accepted"
        )


def _labels(request: GateRequest) -> list[str]:
    """Return the names under which the methods' results stand, but for a method with a grid of its own."""
    labels = []
    for method in request.methods:
        grid = dict(method.grid)
        if method.name == "plas":
            labels += ["plas+p" if limit else "plas" for limit in grid["perturbation_limit"]]
        elif not grid:
            labels.append(method.name)
    return labels


def compare(known: Accepted, measured: Accepted, replays: Sequence[Replay] = (), divisions: int = DIVISIONS) -> Verdict:
    """Return the verdict of a check. Data that came out otherwise leave it undecided, unless something else moved."""
    others = [name for name, rows in measured.contents.items() if known.contents.get(name, rows) != rows]
    # A file of other rows has other sums; as seeds draw from it, it is compared all the same.
    kept = {
        place: values for place, values in measured.values.items()
        if not (place.dataset in others and place.algorithm == DATA and np.ptp(values) == 0)
    }  # fmt: skip
    undecided = [OTHER_ROWS.format(", ".join(others))] if others else []
    new = sorted({f"{place.measure} of {place.algorithm}" for place in kept if place not in known.values})
    compared = {place[:2] for place in kept}
    gone = sorted(place for place in known.values if place[:2] in compared and place not in measured.values)
    undecided += [f"{gone[0].measure} of {gone[0].algorithm} is no longer there"] if gone else []
    more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
    notes = [f"Not compared, since the accepted results have none: {', '.join(new[:NAMED])}{more}."] if new else []
    moves = movements(known.values, kept, divisions)
    found = verdict(moves, LEVEL, undecided, [*notes, *unmeasured(measured.values)], replays)
    is_smoke = measured.suite.get("preset") == SMOKE.name
    return found._replace(line=f"{found.line}; at smoke size this decides nothing") if is_smoke else found
