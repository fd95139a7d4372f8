"""What the throughput benchmark is asked for: its flags, checked, and the cases that they make."""

import math
import os
from typing import NamedTuple

from absl.flags import FlagValues

from plas_jax.files.messages import unknown
from plas_jax.performance.throughput.cases import ALGORITHMS, NAMED_WIDTHS, Case
from plas_jax.performance.throughput.peer_training import D3RLPY, has_counterpart

MEASURES = ("training", "compile", "evaluation", "loading")


class ThroughputRequest(NamedTuple):
    """What is measured, each thing once, and for how long."""

    algorithms: list[str]
    widths: list[str]
    runs: list[int]  # in order
    measures: list[str]
    seconds: float  # of one measurement
    rounds: int
    against: str | None  # a peer's library
    cores: int  # the devices of a batch: one for each core

    def batches(self) -> list[Case]:
        """Return a case for each algorithm, widths and number of runs, laid out as a sweep lays them out."""
        return [Case(*names, runs, self.cores) for names in self._names() for runs in self.runs]

    def groups(self) -> list[list[Case]]:
        """Return one list of cases for each algorithm and widths: what trains is measured in turns."""
        # One run also on one device with all threads, since it can use only one device.
        layouts = sorted({(runs, self.cores) for runs in self.runs} | {(1, 1) for runs in self.runs if runs == 1})
        return [[Case(*names, *layout) for layout in layouts] + self._peers(*names) for names in self._names()]

    def _names(self) -> list[tuple[str, str]]:
        return [(algorithm, widths) for widths in self.widths for algorithm in self.algorithms]

    def _peers(self, algorithm: str, widths: str) -> list[Case]:
        """Return an algorithm's counterpart with each number of threads, where one is asked for and there is one."""
        if not self.against or not has_counterpart(algorithm):
            return []
        return [Case(algorithm, widths, 1, threads, self.against) for threads in sorted({1, self.cores})]


def request(flags: FlagValues) -> ThroughputRequest:
    """Return the request of these flags. Raises `ValueError`, one line, for a bad one."""
    if not (flags.algorithms and flags.widths and flags.runs and math.isfinite(flags.seconds)):
        raise ValueError("--algorithms, --widths and --runs need a value each, and --seconds a finite one")
    for widths in flags.widths:
        if widths not in NAMED_WIDTHS and not _is_positive(widths):
            raise ValueError(f"--widths: {widths!r} is neither {' nor '.join(NAMED_WIDTHS)} nor a positive number")
    for runs in flags.runs:
        if not _is_positive(runs):
            raise ValueError(f"--runs: {runs!r} is not a positive number")
    algorithms = _known("--algorithms", flags.algorithms, tuple(ALGORITHMS))
    measures = _known("--measure", flags.measure or [""], MEASURES)
    if flags.against and "training" not in measures:
        raise ValueError(f"--against={D3RLPY} compares training, which --measure leaves out")
    if flags.against and not any(map(has_counterpart, algorithms)):
        raise ValueError(f"--against={D3RLPY}: its PLAS is compared with plas and plas+p; ask for one of them")
    widths, runs = list(dict.fromkeys(flags.widths)), sorted(set(map(int, flags.runs)))
    cores = os.cpu_count() or 1
    return ThroughputRequest(algorithms, widths, runs, measures, flags.seconds, flags.rounds, flags.against, cores)


def _known(flag: str, names: list[str], known: tuple[str, ...]) -> list[str]:
    """Return the names, each once."""
    for name in names:
        if name not in known:
            raise ValueError(f"{flag}: {name!r} is {unknown(name, known, flag.strip('-s'))}")
    return list(dict.fromkeys(names))


def _is_positive(word: str) -> bool:
    return word.isdecimal() and int(word) > 0
