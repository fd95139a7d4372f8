"""What could not be measured of a method, and what it lacks for it."""

from collections.abc import Collection, Iterator

from plas_jax.verification.gate.movement import Place
from plas_jax.verification.gate.runs import DATA

REFERENCES = "an environment with references for scores"
CVAE = "a `cvae` of this project's in its state"
CRITICS = "`critics` and `critic_targets` in its state that are `TwinCritics`"
ENDS = "episodes that truly end"
NEEDS = {
    "score": REFERENCES,
    "score_apart": REFERENCES,
    "return_apart": "an environment of this project's, which is known to repeat itself",
    "action_distance": "a knob `perturbation_limit`",
    "reconstruction_error": CVAE,
    "kl": CVAE,
    "cvae_drift": "a first phase that trains such a `cvae`",
    **dict.fromkeys(
        ("mean_q", "td_error", "policy_gain", "critics_apart", "targets_apart", "q_minus_return", "terminal_q"), CRITICS
    ),
}


def unmeasured(places: Collection[Place]) -> list[str]:
    """Return a section of Markdown with a line for each method that lacks a measure; nothing where all were taken."""
    methods = sorted({place.algorithm for place in places} - {DATA})
    lines = [f"- {method}: {'; '.join(lacks)}." for method in methods if (lacks := list(_lacks(places, method)))]
    return ["### Not measured\n\n" + "\n".join(lines)] if lines else []


def _lacks(places: Collection[Place], method: str) -> Iterator[str]:
    """Yield for each want the measures that it costs a method, on the data sets where it does."""
    of_method = {(place.dataset, place.measure) for place in places if place.algorithm == method}
    datasets = sorted({dataset for dataset, _ in of_method})
    wants: dict[tuple[str, str], list[str]] = {}
    for measure, need in NEEDS.items():
        without = [dataset for dataset in datasets if (dataset, measure) not in of_method]
        everywhere = len(without) == len(datasets)
        has_critics = measure == "terminal_q" and any((dataset, "mean_q") in of_method for dataset in without)
        if without:
            place = "" if everywhere else f" on {', '.join(without)}"
            wants.setdefault((place, ENDS if has_critics else need), []).append(measure)
    if not any("." in measure for _, measure in of_method):
        wants["", "metrics that its `update` returns"] = ["metrics"]
    if not any(measure.startswith("gradient_of_") for _, measure in of_method):
        wants["", "two parts of its state with parameters, one of them a `Network`"] = ["gradients"]
    for (where, need), measures in wants.items():
        yield f"{', '.join(measures)}{where}, for want of {need}"
