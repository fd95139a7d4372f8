"""How numbers look in a Markdown table."""

from collections.abc import Sequence
from math import isfinite

from plas_jax.reports.statistics import Spread

DASH = "—"  # no such number
DIVERGED, FEWER_SEEDS, NOTED = "†", "‡", "§"


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A pipe table: the first column to the left, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """One decimal, with the paper's minus sign; a dash for what is absent or not finite."""
    if value is None or not isfinite(value):
        return DASH
    return f"{value:z.1f}".replace("-", "−")


def spread(of: Spread | None, seeds: int) -> str:
    """Mean ± standard deviation, marked where seeds diverged and where there are fewer than `seeds` of them."""
    if of is None:
        return DASH
    marks = [DIVERGED] * (of.diverged > 0) + [FEWER_SEEDS] * (of.seeds < seeds)
    return " ".join([f"{number(of.mean)} ± {number(of.std)}", *marks])


def footnotes(spreads: Sequence[Spread], seeds: int) -> list[str]:
    """What ± and the marks among these spreads mean."""
    notes = [f"±: standard deviation over {seeds} seeds (n − 1)." if seeds > 1 else "One seed: no spread."]
    diverged, all_seeds = sum(of.diverged for of in spreads), sum(of.seeds for of in spreads)
    if diverged:
        notes.append(
            f"{DIVERGED}: some seed diverged (NaN, or mean |Q| above 1e6), {diverged} of {all_seeds} runs in all;"
            " it counts with the evaluations it has."
        )
    if any(of.seeds < seeds for of in spreads):
        notes.append(f"{FEWER_SEEDS}: fewer than {seeds} seeds so far.")
    return notes
