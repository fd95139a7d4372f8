"""The figures of a plan: what the compiler said of each program, what follows of it, and what that assumes."""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from plas_jax.performance.planning.evaluation import Evaluation, evaluation
from plas_jax.performance.planning.kernels import TRANSFER, Kernel
from plas_jax.performance.planning.programs import Compiled, Work
from plas_jax.performance.planning.roofline import Peaks, kernel_seconds, update_time
from plas_jax.performance.planning.targets import Target
from plas_jax.sweeps.groups import gigabytes
from plas_jax.training.phases import FIRST_PHASE

Row = dict[str, Any]


class Planned(NamedTuple):
    """One program with what the compiler said of it, or why it refused."""

    work: Work
    compiled: Compiled | str


class Plan(NamedTuple):
    """Everything that is reported."""

    command: str
    versions: dict[str, str]
    target: Target
    peaks: Peaks
    programs: list[Planned]
    evaluation: Evaluation
    cpu_cores: int

    @property
    def is_sound(self) -> bool:
        """Return whether every program fits and no device waits for another."""
        return all(row["fits"] and not row.get("collectives") for row in program_rows(self))


def title(work: Work) -> str:
    """Say what is trained, and in which group."""
    return f"{work.group.name} {work.phase.trains}"


def summed(name: Callable[[Kernel], str], kernels: Sequence[Kernel], peaks: Peaks) -> dict[str, Row]:
    """Sum launches, operations, bytes and predicted seconds of one update over kernels of the same name."""
    sums: dict[str, Row] = {}
    for kernel in kernels:
        row = sums.setdefault(name(kernel), {"launches": 0, "operations": 0, "bytes": 0, "seconds": 0.0})
        row["launches"] += kernel.times * kernel.is_launched
        row["operations"] += kernel.times * kernel.operations
        row["bytes"] += kernel.times * kernel.bytes
        row["seconds"] += kernel.times * kernel_seconds(kernel, peaks) * kernel.is_launched
    return dict(sorted(sums.items(), key=lambda item: -item[1]["seconds"]))


def program_rows(plan: Plan) -> list[Row]:
    """Return one object for each program: the sweep's size, then what the compiler said, then what follows of it."""
    return [_program_row(plan, planned) for planned in plan.programs]


def _program_row(plan: Plan, planned: Planned) -> Row:
    work, compiled, devices = planned.work, planned.compiled, plan.target.devices
    used = min(devices, work.runs)
    row: Row = {
        "group": work.group.name,
        "trains": work.phase.trains,
        "runs": work.runs,
        "devices": used,
        "runs_per_device": -(-work.runs // used),
        "rows": sum(work.rows),
        "updates": work.phase.updates,
        "memory_limit": int(plan.target.chip.memory * plan.target.chip.usable),
    }
    if isinstance(compiled, str):
        return row | {"fits": False, "refused": compiled}
    total = sum(compiled.memory.values())
    time, cycles = update_time(compiled.kernels, plan.peaks), [kernel.cycles for kernel in compiled.kernels]
    clock_rate = plan.target.chip.clock_rate
    estimate = sum(count or 0 for count in cycles) / clock_rate if clock_rate and any(cycles) else None
    return row | {
        "memory": compiled.memory,
        "memory_total": total,
        "fits": total <= row["memory_limit"],
        "launches": sum(kernel.times for kernel in compiled.kernels if kernel.is_launched),
        "transfers": sum(kernel.times for kernel in compiled.kernels if kernel.kind == TRANSFER),
        "inner_loops": compiled.loops,
        "collectives": compiled.collectives,
        "products": compiled.products,
        "products_in_full_float32": compiled.full_float32,
        "operations": sum(kernel.operations * kernel.times for kernel in compiled.kernels),
        "bytes": sum(kernel.bytes * kernel.times for kernel in compiled.kernels),
        "by_kind": summed(lambda kernel: kernel.kind, compiled.kernels, plan.peaks),
        "by_part": summed(lambda kernel: kernel.part, compiled.kernels, plan.peaks),
        "seconds_per_update": time._asdict() | {"compiler_estimate": estimate},
        "run_updates_per_second": work.runs / time.predicted,
        "seconds": time.predicted * work.phase.updates,
        "compile_seconds": round(compiled.compile_seconds, 1),
    }


def sweep_row(plan: Plan) -> Row:
    """Return what the whole sweep takes: phases one after another, evaluation beside the training of policies."""
    rows = program_rows(plan)
    training = sum(row["seconds"] for row in rows) if all("seconds" in row for row in rows) else None
    return {
        "training_seconds": training,
        "evaluation": plan.evaluation._asdict() | {"cpu_cores": plan.cpu_cores},
        "in_turn_seconds": None if training is None else training + plan.evaluation.seconds,
        "total_seconds": None if training is None else sum(map(_overlapped, plan.programs, rows, repeat(plan))),
    }


def _overlapped(planned: Planned, row: Row, plan: Plan) -> float:
    """Return the seconds of a phase. Policies' first training and last evaluation have nothing beside them."""
    group, training = planned.work.group, row["seconds"]
    if planned.work.draws == FIRST_PHASE:
        return training
    evaluating, count = evaluation([group], plan.cpu_cores).seconds, len(group.protocol.evaluations)
    return max(training + evaluating / count, evaluating + training / count)


def assumptions(plan: Plan) -> list[str]:
    """Say what a prediction rests on, a sentence each."""
    chip = plan.target.chip
    sentences = [
        f"products in full float32 at {chip.float32_peak / 1e12:.1f} TFLOP/s a device, the data sheet's peak "
        f"({chip.fast_precision} would be {chip.fast_peak / 1e12:.0f}); memory at {chip.bandwidth / 1e9:,.0f} GB/s; "
        "real kernels reach a part of both",
        f"{plan.peaks.launch_seconds * 1e6:g} µs from one kernel to the next (--launch_microseconds), an assumption",
        "operations are those of the products in the compiled program, bytes what its kernels read and write of main "
        "memory, without a cache and without the padding of tiles",
        f"{chip.usable:.0%} of {gigabytes(int(chip.memory))} a device can be had, JAX's default",
        f"evaluation at docs/performance.md's rates for a core of an AMD EPYC × {plan.cpu_cores} (--cpu_cores), "
        "every episode as long as it may be, beside the training of the next policies",
        "compiling, making and loading data, checkpoints and reports are not in these times",
    ]
    if chip.platform == "cuda":
        sentences.insert(3, "nothing was tuned on a device: there, XLA may take other kernels for the products")
    return sentences


def as_json(plan: Plan, with_kernels: bool) -> Row:
    """Return the plan as one object; `with_kernels` adds every kernel of every program."""
    rows = program_rows(plan)
    if with_kernels:
        for row, planned in zip(rows, plan.programs, strict=True):
            if not isinstance(planned.compiled, str):
                row["kernels"] = [kernel._asdict() for kernel in planned.compiled.kernels]
    return {
        "command": plan.command,
        "versions": plan.versions,
        "target": plan.target.name,
        "devices": plan.target.devices,
        "peaks": plan.peaks._asdict(),
        "programs": rows,
        "sweep": sweep_row(plan),
        "assumptions": assumptions(plan),
    }
