"""A plan as a person reads it: a column for each program, the whole sweep, what was assumed, and the kernels."""

from collections.abc import Callable, Sequence

from plas_jax.files.messages import clock
from plas_jax.performance.planning.figures import Plan, Row, assumptions, program_rows, summed, sweep_row, title
from plas_jax.performance.planning.kernels import Kernel
from plas_jax.sweeps.groups import gigabytes

LABEL, COLUMN = 46, 22


def lines(plan: Plan) -> list[str]:
    """Return the plan as text."""
    rows, whole, evaluation = program_rows(plan), sweep_row(plan), plan.evaluation
    text = [plan.command, ", ".join(f"{name} {number}" for name, number in plan.versions.items()), ""]
    text += [_line(label, [cell(row) for row in rows]) for label, cell in _CELLS]
    text += [f"{row['group']} {row['trains']} does not fit: {row['refused']}" for row in rows if "refused" in row]
    training = "unknown" if whole["training_seconds"] is None else clock(whole["training_seconds"])
    total, in_turn = (
        "unknown" if whole[name] is None else clock(whole[name]) for name in ("total_seconds", "in_turn_seconds")
    )
    text += [
        "",
        f"the whole sweep: {total}, training {training} beside evaluation {clock(evaluation.seconds)} "
        f"({evaluation.episodes:,} episodes, {evaluation.steps:,} control steps, {plan.cpu_cores} cores); "
        f"one after the other {in_turn}",
        "",
        "assumed:",
        *(f"- {sentence}" for sentence in assumptions(plan)),
    ]
    return text


def kernel_lines(plan: Plan) -> list[str]:
    """Return the kernels of an update, summed by the part of the update and by kind."""
    text = []
    for planned in plan.programs:
        if isinstance(planned.compiled, str):
            continue
        kernels = planned.compiled.kernels
        text += ["", f"kernels of an update of {title(planned.work)}"]
        text.append(f"{'':<{LABEL}}{'launches':>9}{'GFLOP':>9}{'MB':>10}{'µs':>9}")
        for name in (_part_and_kind, lambda kernel: kernel.kind, lambda kernel: "all"):
            text += [_kernel_line(label, row) for label, row in summed(name, kernels, plan.peaks).items()] + [""]
    return text


def _part_and_kind(kernel: Kernel) -> str:
    return f"{kernel.part}: {kernel.kind}"


def _kernel_line(label: str, row: Row) -> str:
    return (
        f"{label:<{LABEL}}{row['launches']:>9}{row['operations'] / 1e9:>9.2f}{row['bytes'] / 1e6:>10.1f}"
        f"{row['seconds'] * 1e6:>9.0f}"
    )


def _line(label: str, cells: Sequence[str]) -> str:
    return f"{label:<{LABEL}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _if_compiled(form: Callable[[Row], str]) -> Callable[[Row], str]:
    """Make a cell of what only a compiled program has."""
    return lambda row: "–" if "refused" in row else form(row)


def _memory(name: str) -> Callable[[Row], str]:
    return _if_compiled(lambda row: gigabytes(row["memory"][name]))


def _microseconds(name: str) -> Callable[[Row], str]:
    def form(row: Row) -> str:
        value = row["seconds_per_update"][name]
        return "–" if value is None else f"{value * 1e6:,.0f}"

    return _if_compiled(form)


def _collectives(row: Row) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in row["collectives"].items()) or "none"


_CELLS: list[tuple[str, Callable[[Row], str]]] = [
    ("", lambda row: f"{row['trains']}"),
    ("shape group", lambda row: row["group"]),
    ("runs", lambda row: f"{row['runs']:,}"),
    ("runs on each of the devices", lambda row: f"{row['runs_per_device']} on {row['devices']}"),
    ("rows of data", lambda row: f"{row['rows']:,}"),
    ("updates", lambda row: f"{row['updates']:,}"),
    ("memory of a device: arguments", _memory("arguments")),
    ("  temporaries", _memory("temporaries")),
    ("  outputs beside the arguments", _memory("outputs")),
    ("  code", _memory("code")),
    ("  total", _if_compiled(lambda row: gigabytes(row["memory_total"]))),
    ("  there is", lambda row: gigabytes(row["memory_limit"])),
    ("fits", lambda row: "yes" if row["fits"] else "NO"),
    ("collectives", _if_compiled(_collectives)),
    ("products in full float32", _if_compiled(lambda row: f"{row['products_in_full_float32']} of {row['products']}")),
    ("kernels launched in an update", _if_compiled(lambda row: f"{row['launches']:,}")),
    ("transfers in their background", _if_compiled(lambda row: f"{row['transfers']:,}")),
    ("loops inside an update", _if_compiled(lambda row: f"{row['inner_loops']:,}")),
    ("GFLOP in an update, of a device", _if_compiled(lambda row: f"{row['operations'] / 1e9:.2f}")),
    ("MB of traffic in an update, of a device", _if_compiled(lambda row: f"{row['bytes'] / 1e6:,.0f}")),
    ("µs of an update: arithmetic", _microseconds("arithmetic")),
    ("  memory", _microseconds("memory")),
    ("  launches", _microseconds("launches")),
    ("  predicted, kernel by kernel", _microseconds("predicted")),
    ("  the compiler's own estimate", _microseconds("compiler_estimate")),
    ("run-updates/s, predicted", _if_compiled(lambda row: f"{row['run_updates_per_second']:,.0f}")),
    ("the phase, predicted", _if_compiled(lambda row: clock(row["seconds"]))),
    ("compiled in", _if_compiled(lambda row: f"{row['compile_seconds']} s")),
]
