"""What was measured of a device, in Markdown."""

from collections.abc import Sequence

from plas_jax.methods.method import BEHAVIOUR, POLICY
from plas_jax.performance.accelerator.programs import Row
from plas_jax.reports.markdown import DASH, table
from plas_jax.verification.parity.updates import TOLERANCE

PARITY = ("method", "compiled", "difference", "verdict")
SPEED = (
    *("widths", "runs", "compiled", "run-updates/s", "range", "over plain", "µs an update", "predicted"),
    *("kernels", "MB", "compile s", "peak GB"),
)
PLAIN_WAY = "plain, float32"


def text(command: str, rows: Sequence[Row]) -> str:
    """Return the whole page of these rows."""
    parts = [f"# {command}"]
    for row in rows:
        if row["measure"] == "device":
            parts.append(_device(row))
    parity = [row for row in rows if row["measure"] == "parity"]
    if parity:
        parts += [
            f"## Fifty padded updates beside a processor's\nmax|a − b| / max|b| of the parameter that is furthest off; "
            f"in float32 at most {TOLERANCE:g}.",
            table(PARITY, [_parity(row) for row in parity]),
        ]
    speed = [row for row in rows if row["measure"] == "speed"]
    if speed:
        plain = {(row["widths"], row["runs"]): row for row in speed if row["way"] == PLAIN_WAY}
        parts += [
            "## Speed of PLAS+P\nµs of one update of all runs, measured and as `plas-jax plan` predicts from what was "
            "compiled and the data sheet.",
            table(SPEED, [_speed(row, plain.get((row["widths"], row["runs"]), {})) for row in speed]),
        ]
    parts += [_training(row) for row in rows if row["measure"] == "training"]
    return "\n\n".join(parts) + "\n"


def _device(row: Row) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in row["versions"].items())
    facts = {"device": row["device"], "driver": row["driver"], "host": row["host"], "commit": row["git_commit"]}
    return "\n".join(f"- {name}: {value}" for name, value in (facts | {"versions": versions}).items())


def _parity(row: Row) -> list[str]:
    if "refused" in row:
        return [row["method"], row["way"], DASH, f"refused: {_cell(row['refused'])}"]
    verdict = {True: "agrees", False: f"DIFFERS in {row['of']}", None: "no verdict"}[row["agrees"]]
    return [row["method"], row["way"], f"{row['difference']:.1e}", verdict]


def _speed(row: Row, plain: Row) -> list[str]:
    case = [str(row["widths"]), str(row["runs"]), row["way"]]
    if "refused" in row:
        return [*case, f"refused: {_cell(row['refused'])}", *[DASH] * (len(SPEED) - len(case) - 1)]
    rate, (lowest, highest) = row["updates_per_second"], row["lowest_and_highest"]
    ratio = rate / plain["updates_per_second"] if "updates_per_second" in plain else None
    return [
        *case,
        f"{rate:,.0f}",
        f"{lowest:,.0f}–{highest:,.0f}",
        _number(ratio, 1, ".2f"),
        _number(row["runs"] / rate, 1e6),
        _number(row["predicted_seconds"], 1e6),
        _number(row["kernels"], 1),
        _number(row["bytes"], 1e-6),
        f"{row['compile_seconds']:.1f}",
        f"{row['peak_memory'] / 1e9:.2f}",
    ]


def _number(value: float | None, unit: float, form: str = ",.0f") -> str:
    return DASH if value is None else format(value * unit, form)


def _cell(message: str) -> str:
    return message.replace("|", "\\|")


def _training(row: Row) -> str:
    heading = f"## Training at the size of `{row['preset']}`\n{row['outcome']}"
    if "share" not in row:
        return heading
    seconds = ", ".join(f"{name} {took:,.0f} s" for name, took in row["wall_seconds"].items())
    rate = row["evaluation_steps_per_second"]
    share, updates = row["share"], row["updates"]
    return (
        f"{heading} after {row['seconds']:,.0f} s: {row['runs']} runs on {', '.join(row['datasets'])}.\n\n"
        f"- CVAEs: {share[BEHAVIOUR]:.1%} of {updates[BEHAVIOUR]:,} updates\n"
        f"- policies: {share[POLICY]:.1%} of {updates[POLICY]:,} updates\n"
        f"- wall seconds: {seconds} (training and evaluation overlap)\n"
        f"- evaluated: {row['episodes']:,} episodes of {row['steps']:,} control steps"
        + ("" if rate is None else f", {rate:,.0f} a second on the host's cores")
    )
