"""d3rlpy's side of the comparison: which runs have a counterpart there, and the process that trains it.

The process runs `d3rlpy_plas.py` in an environment of its own and answers as a measuring process of ours does.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import numpy as np

from plas_jax.algorithms import plas
from plas_jax.performance.throughput.cases import Case, method_of, random_rows
from plas_jax.performance.throughput.peer_environment import environment_folder, interpreter

D3RLPY = "d3rlpy"
SCRIPT = Path(__file__).with_name("d3rlpy_plas.py")
EPISODE = 1000  # rows, at the end of which the random data time out
CONSTANTS = (
    "perturbation_limit", "clip_weight", "discount", "polyak", "policy_learning_rate", "critic_learning_rate",
)  # fmt: skip


def has_counterpart(algorithm: str) -> bool:
    """Tell whether d3rlpy's PLAS with perturbation trains what this algorithm of the throughput benchmark does."""
    return method_of(algorithm, "paper").phase.algorithm is plas.PLAS


class Peer:
    """A conversation with `d3rlpy_plas.py`: `send` asks for a rate, `recv` waits for what it says."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]):
        self._process, self._complaints = process, complaints

    def send(self, question: object, /) -> None:
        """Say something, in a line of JSON."""
        assert self._process.stdin is not None  # a pipe was asked for
        try:
            print(json.dumps(question), file=self._process.stdin, flush=True)
        except BrokenPipeError:  # it has died, which the next `recv` tells with its last words
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def recv(self) -> tuple[float | None, int]:
        """Return the rate that was asked for, None at first, and the peak memory so far in bytes.

        Raises `OSError`, one line, when the process says anything else or has ended.
        """
        assert self._process.stdout is not None  # a pipe was asked for
        line = self._process.stdout.readline()
        try:
            answer = json.loads(line)
            return answer.get("updates_per_second"), answer.get("peak_memory", 0)
        except (json.JSONDecodeError, AttributeError):
            raise OSError(f"the process that measures {D3RLPY} {self._end(line)}") from None

    def _end(self, line: str) -> str:
        if line:
            return f"said what is no answer: {line.strip()[:200]}"
        status = self._process.wait()
        self._complaints.seek(0)
        words = [text.strip() for text in self._complaints if text.strip()]
        return f"ended with status {status}: {words[-1][:300] if words else 'it said nothing'}"


def request(case: Case, rows: Path, seconds: float) -> dict[str, object]:
    """Return the first line of the conversation: what to train, on what, with how many threads, how long at a time."""
    phase = method_of(case.algorithm, case.widths).phase
    constants = {name: float(getattr(phase.knobs, name)) for name in CONSTANTS}
    measurement = {"rows": str(rows), "threads": case.devices, "seconds": seconds}
    return measurement | phase.architecture._asdict() | constants


def write_rows(path: Path) -> None:
    """Write the random data of the benchmark as d3rlpy takes them: float32 columns, in episodes that only time out.

    A transition from an episode's last row to the next one's first, one in a thousand, is ours alone.
    """
    transitions = random_rows(next_actions=False).transitions
    timeouts = np.zeros(len(transitions.reward), np.float32)
    timeouts[EPISODE - 1 :: EPISODE] = 1.0
    columns = {"observations": transitions.observation, "actions": transitions.action, "rewards": transitions.reward}
    np.savez(path, timeouts=timeouts, **columns)


@contextmanager
def training_peer(case: Case, seconds: float) -> Iterator[Peer]:
    """Start a process of d3rlpy's that trains the counterpart of `case`, and waits while it is not asked."""
    with TemporaryDirectory(prefix="throughput-") as folder:
        rows = Path(folder) / "rows.npz"
        write_rows(rows)
        # Isolated (-I), so that it sees its own environment's packages alone.
        words = [str(interpreter(environment_folder())), "-I", str(SCRIPT)]
        with (
            (Path(folder) / "complaints").open("w+") as complaints,
            subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True
            ) as process,
        ):
            peer = Peer(process, complaints)
            try:
                peer.send(request(case, rows, seconds))
                yield peer
            finally:
                process.terminate()
