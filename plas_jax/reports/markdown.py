"""How numbers look in a Markdown table."""

from collections.abc import Sequence
from math import isfinite

from plas_jax.results.intervals import BOOTSTRAP_SEEDS, Interval
from plas_jax.results.runs import Spread

DASH = "—"  # no such number
DIVERGED, FEWER_SEEDS, NOTED = "†", "‡", "§"
BEST = "Best is the evaluation with the highest score of each run: chosen by what it reports, so high."


def table(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a pipe table: the first column to the left, numbers to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Write one decimal, with the paper's minus sign; a dash for what is absent or not finite."""
    if value is None or not isfinite(value):
        return DASH
    return f"{value:z.1f}".replace("-", "−")


def estimate(value: float, interval: Interval) -> str:
    """Write a number with its interval behind it, or alone where it has none."""
    low, high = map(number, interval)
    return f"{number(value)} [{low}, {high}]" if isfinite(interval.low) else number(value)


def mean_interval(spread: Spread | None, seeds: int) -> str:
    """Write a mean and its 95 % interval, marked where seeds diverged and where there are fewer than `seeds`."""
    if spread is None:
        return DASH
    return marked(estimate(spread.mean, spread.interval), [spread], seeds)


def mean_alone(spread: Spread | None, seeds: int) -> str:
    """Write a mean, marked as `mean_interval` does."""
    return DASH if spread is None else marked(number(spread.mean), [spread], seeds)


def marked(text: str, spreads: Sequence[Spread], seeds: int) -> str:
    """Mark a text for what it is made of: seeds that diverged, and fewer than `seeds` of them."""
    diverged, fewer = any(spread.diverged for spread in spreads), any(spread.seeds < seeds for spread in spreads)
    return " ".join([text, *[DIVERGED] * diverged, *[FEWER_SEEDS] * fewer])


def intervals(seeds: int) -> str:
    """Say which interval of a mean over so many seeds stands in brackets."""
    students = (
        "Student's t" if seeds < BOOTSTRAP_SEEDS else f"Student's t below {BOOTSTRAP_SEEDS} seeds, else bootstrap"
    )
    return f"95 % interval of the mean ({students})"


def brackets(seeds: int) -> str:
    """Say what stands in brackets."""
    return f"[low, high]: {intervals(seeds)} over {seeds} seeds." if seeds > 1 else "One seed: no interval."


def footnotes(spreads: Sequence[Spread], seeds: int) -> list[str]:
    """Say what the marks among these spreads mean."""
    notes = []
    diverged, all_seeds = sum(spread.diverged for spread in spreads), sum(spread.seeds for spread in spreads)
    if diverged:
        notes.append(
            f"{DIVERGED}: some seed diverged (NaN, or mean |Q| above 1e6), {diverged} of {all_seeds} runs in all;"
            f" it counts with the evaluations it has, and where these have no number ({DASH}), neither has the cell."
        )
    if any(spread.seeds < seeds for spread in spreads):
        notes.append(f"{FEWER_SEEDS}: fewer than {seeds} seeds so far.")
    return notes
