"""How often the gate fails an unchanged program: many more seeds of it, in sets as large as a check's."""

import sys
from pathlib import Path

import numpy as np
from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.reports.markdown import table
from plas_jax.verification.gate.accepted import Accepted, read_accepted
from plas_jax.verification.gate.comparison import LEVEL, compare
from plas_jax.verification.gate.report import FAIL, PASS

USAGE = """usage: gate_false_alarms.py VALUES.json [flags]

VALUES.json has many other seeds of the same program, all trained in one batch: score_regression.py --accept
--seeds=200 --first_seed=2000 --accepted=VALUES.json --reason=… makes it. They are split into sets of a check's size,
and each is compared with the accepted results; then checks are simulated from all seeds that are recorded."""

FLAGS = flags.FlagValues()
flags.DEFINE_string("accepted", "benchmarks/accepted/gate.json", "The accepted results.", flag_values=FLAGS)
flags.DEFINE_integer("seeds", 10, "Seeds of a check.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("simulations", 2000, "Simulated checks.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("divisions", 2000, "Divisions of a simulated check's test.", lower_bound=100, flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Print the alarms; return 1 when there are more than the stated rate allows for, else 0."""
    if len(words) != 1:
        raise ValueError("name one file of values, see --help")
    accepted, others = read_accepted(Path(FLAGS.accepted)), read_accepted(Path(words[0]))
    if both := set(accepted.seeds) & set(others.seeds):
        raise ValueError(f"seeds {sorted(both)[:3]}… are in both files: a check has seeds of its own")
    sets = [range(first, first + FLAGS.seeds) for first in range(0, len(others.seeds) - FLAGS.seeds + 1, FLAGS.seeds)]
    statuses = [compare(accepted, chosen(others, list(each))).status for each in sets]
    body = [[f"the accepted {len(accepted.seeds)} seeds against each of {len(sets)} other sets of {FLAGS.seeds}",
             str(len(sets)), str(sum(status != PASS for status in statuses)), ""]]  # fmt: skip
    pool, generator = _together(accepted, others), np.random.default_rng(0)
    checks = {
        f"{len(accepted.seeds)} and {FLAGS.seeds} seeds drawn from all {len(pool.seeds)}": lambda: _both_drawn(
            pool, len(accepted.seeds), generator
        ),
        f"the accepted {len(accepted.seeds)} seeds against {FLAGS.seeds} drawn from the other {len(others.seeds)}":
            lambda: (accepted, chosen(others, generator.choice(len(others.seeds), FLAGS.seeds, replace=False))),
    }  # fmt: skip
    too_many = any(status != PASS for status in statuses)
    for description, draw in checks.items():
        alarms = sum(compare(*draw(), divisions=FLAGS.divisions).status == FAIL for _ in range(FLAGS.simulations))
        rate = alarms / FLAGS.simulations
        too_many |= rate > 0.01 + 2 * np.sqrt(0.01 * 0.99 / FLAGS.simulations)
        body.append([description, str(FLAGS.simulations), str(alarms), f"{100 * rate:.2f} %"])
    print(table(["clean checks", "checks", "alarms", "rate"], body))
    print(f"\nA check fails at p ≤ {LEVEL:g}; stated is at most 1 %.")
    return int(too_many)


def chosen(accepted: Accepted, index: list[int] | np.ndarray) -> Accepted:
    """Return results with some of the seeds alone, named by their places."""
    values = {place: column[index] for place, column in accepted.values.items()}
    return accepted._replace(seeds=tuple(accepted.seeds[place] for place in index), values=values)


def _together(one: Accepted, other: Accepted) -> Accepted:
    shared = [place for place in one.values if place in other.values]
    values = {place: np.concatenate([one.values[place], other.values[place]]) for place in shared}
    return one._replace(seeds=one.seeds + other.seeds, values=values)


def _both_drawn(pool: Accepted, accepted: int, generator: np.random.Generator) -> tuple[Accepted, Accepted]:
    order = generator.permutation(len(pool.seeds))
    return chosen(pool, order[:accepted]), chosen(pool, order[accepted : accepted + FLAGS.seeds])


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, USAGE, takes_words=True))
