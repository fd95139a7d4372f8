"""Appendix E's study of the sampled MMD constraint: Figures 8 and 9.

usage: mmd_constraint.py [--repeats=10000] [--samples=4,5,10,100] [--output=results/mmd_constraint]

Draws n actions of a behaviour policy and n of an agent's policy on a line, again and again, and averages BEAR's
estimate of their maximum mean discrepancy. Figure 8: N(0, 1) and N(0, x). Figure 9: U([-2, -1] ∪ [1, 2]) and
N(x, 0.5). Writes mmd_constraint.csv (every point with its standard error), mmd_constraint.md, figure_8.png and
figure_9.png.
"""

import csv
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import jax
import numpy as np
from absl import flags
from sampled_mmd import BANDWIDTHS, KERNELS, discrepancies, minima, scenarios, standard_error, worst_ratio

from plas_jax.commands.invocation import invoke
from plas_jax.files.whole_files import whole_file
from plas_jax.reports.figures.discrepancy import Curve, Frame, discrepancy_panels
from plas_jax.reports.markdown import table
from plas_jax.results.circumstances import circumstances

FLAGS = flags.FlagValues()
flags.DEFINE_integer("repeats", 10_000, "Draws that are averaged.", lower_bound=2, flag_values=FLAGS)
flags.DEFINE_list("samples", ["4", "5", "10", "100"], "Numbers of samples n.", flag_values=FLAGS)
flags.DEFINE_boolean("variance", False, "Take x of N(0, x) and 0.5 of N(x, 0.5) as variances.", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Of the draws.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("output", "results/mmd_constraint", "Folder of what is written.", flag_values=FLAGS)

ROUGHLY = 1.05  # the largest ratio with which Figure 8's condition counts as roughly satisfied
EXPECTED = 1.5  # where the paper expects Figure 9's minimum, and at its negative
TITLES = {
    8: "Figure 8: discrepancy of N(0, x) from the behaviour policy N(0, 1)",
    9: "Figure 9: discrepancy of N(x, 0.5) from the behaviour policy U([−2, −1] ∪ [1, 2])",
}
FRAMES = {
    8: Frame("x", "largest at x ≤ 1", [(0, 1)], "x ≤ 1"),
    9: Frame("x", "least", [(-2, -1), (1, 2)], "the behaviour policy's actions"),
}
CAPTIONS = {
    8: f"The largest MMD(x)/MMD(1) over x ≤ 1, ± its standard error; bold: at most {ROUGHLY:g}, roughly satisfied.",
    9: f"|x| where the MMD is least [and within two standard errors of least]; bold: ±{EXPECTED:g}, as expected of a"
    " constraint that keeps to the data, is among these.",
}


def simulated(figure: int, counts: list[int]) -> Iterator[tuple[Curve, str]]:
    """Yield every curve of a figure, with its cell of the table."""
    scenario = scenarios(FLAGS.variance)[figure]
    keys = jax.random.split(jax.random.fold_in(jax.random.key(FLAGS.seed), figure), FLAGS.repeats)
    for count in counts:
        values = discrepancies(scenario, count, keys)
        for (row, kernel), (column, bandwidth) in product(enumerate(KERNELS), enumerate(BANDWIDTHS)):
            repeats = values[:, row, column]
            marked, cell = (_ratio if figure == 8 else _minimum)(repeats, scenario.x)
            numbers = scenario.x, repeats.mean(0), standard_error(repeats)
            yield Curve(kernel, bandwidth, count, *numbers, marked), cell


def _ratio(values: np.ndarray, x: np.ndarray) -> tuple[list[int], str]:
    worst, ratio, error = worst_ratio(values, x)
    text = f"{ratio:.3f} ± {error:.3f}"
    return [worst], f"**{text}**" if ratio <= ROUGHLY else text


def _minimum(values: np.ndarray, x: np.ndarray) -> tuple[list[int], str]:
    least, *others = x[places := minima(values)]
    text = f"{least:g} [{', '.join(f'{each:g}' for each in others)}]" if others else f"{least:g}"
    return places[:1], f"**{text}**" if EXPECTED in x[places] else text


def mirrored(curve: Curve) -> Curve:
    """Return a curve of x ≥ 0 with its mirror image."""
    zero = len(curve.x) - 1
    marked = sorted({zero + sign * place for place in curve.marked for sign in (-1, 1)})
    mean, error = (np.concatenate([column[:0:-1], column]) for column in (curve.mean, curve.error))
    return curve._replace(x=np.concatenate([-curve.x[:0:-1], curve.x]), mean=mean, error=error, marked=marked)


def run() -> int:
    """Simulate both figures and write them; return 0."""
    started, counts = time.monotonic(), _counts(FLAGS.samples)
    output = Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    curves, texts = dict[int, list[Curve]](), []
    for figure, title in TITLES.items():
        results = list(simulated(figure, counts))
        curves[figure] = [curve for curve, _ in results]
        texts.append(f"## {title}\n{CAPTIONS[figure]}\n\n{_table(results, counts)}\n")
        drawn = curves[figure] if figure == 8 else [mirrored(curve) for curve in curves[figure]]
        spread = "variance" if FLAGS.variance else "standard deviation"
        lines = [title, f"N(mean, {spread}); mean of {FLAGS.repeats:,} draws, ± two standard errors"]
        discrepancy_panels(drawn, lines, FRAMES[figure], output / f"figure_{figure}.png")
    with whole_file(output / "mmd_constraint.csv") as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(_rows(curves))
    text = "\n".join([_heading(time.monotonic() - started), *texts])
    with whole_file(output / "mmd_constraint.md") as partial:
        partial.write_text(text, encoding="utf-8")
    print(text)
    return 0


def _counts(words: list[str]) -> list[int]:
    if not words or not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise ValueError(f"--samples takes whole numbers from 1 on, commas between, not {','.join(words)!r}")
    return sorted(set(map(int, words)))


def _table(results: list[tuple[Curve, str]], counts: list[int]) -> str:
    cells = {curve[:3]: cell for curve, cell in results}
    body = [
        [f"{kernel}, σ = {bandwidth:g}", *(cells[kernel, bandwidth, count] for count in counts)]
        for kernel, bandwidth in product(KERNELS, BANDWIDTHS)
    ]
    return table(["kernel", *(f"n = {count}" for count in counts)], body)


def _rows(curves: dict[int, list[Curve]]) -> Iterator[tuple[object, ...]]:
    yield "figure", "kernel", "bandwidth", "samples", "x", "mmd", "standard_error"
    for figure, each in curves.items():
        for curve in each:
            for x, mean, error in zip(curve.x, curve.mean, curve.error, strict=True):
                yield figure, *curve[:3], f"{x:g}", f"{mean:.6g}", f"{error:.2g}"


def _heading(seconds: float) -> str:
    facts = circumstances()
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in ("python", "jax", "numpy"))
    words = f"--repeats={FLAGS.repeats} --samples={','.join(FLAGS.samples)} --seed={FLAGS.seed}"
    words += " --variance" * FLAGS.variance
    return (
        f"`python experiments/mmd_constraint.py {words}`: {seconds:.0f} s; {facts['device']}; {versions};"
        f" commit {facts['git_commit']}.\n"
    )


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
