"""Hostile files for every reader of a user's files, for minutes or hours, in a child that may crash.

usage: fuzz_readers.py --reader=hdf5|npz|rows|manifest|accepted|recipes|minari [--minutes=10] [--seed=0] [--output=DIR]

Makes one damaged file after the other and reads it as a command would. A fault is anything but success or one clear
line: another exception, a crash, no answer in a minute of processor time, a gigabyte of memory, a line that does not
name the file. Files of faults are kept in --output, one for each place in the code. The exit status is 0 only if there
is none. Needs a checkout, whose kept results are what is damaged.
"""

import platform
import sys
import tempfile
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from absl import flags
from fuzzing.targets import SUFFIXES, TARGETS
from fuzzing.watched_reader import Outcome, WatchedReader

from plas_jax.commands.invocation import invoke
from plas_jax.results.folder import output_folder

FLAGS = flags.FlagValues()
flags.DEFINE_enum("reader", None, list(TARGETS), "Whose files.", required=True, flag_values=FLAGS)
flags.DEFINE_float("minutes", 10.0, "How long.", lower_bound=0.0, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the damage.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of the faults' files; default: a new one under results/.", flag_values=FLAGS)


def fuzz(name: str, seed: int, minutes: float, output: Path) -> tuple[Counter[str], dict[str, Outcome]]:
    """Count the outcomes of a reader's files, and return the faults by the file kept of each place in the code."""
    suffix, counts = SUFFIXES.get(name, ".json"), Counter[str]()
    faults: dict[str, Outcome] = {}
    places: set[tuple[str, str]] = set()
    end, number = time.monotonic() + 60 * minutes, 0
    with tempfile.TemporaryDirectory() as folder, WatchedReader(name) as reader, WatchedReader(name) as writer:
        while time.monotonic() < end:
            path = Path(folder) / f"fuzz-{seed}-{number}{suffix}"
            number += 1
            if writer.write(path, f"{seed} {number}").is_fault:
                counts["unwritable"] += 1
                path.unlink(missing_ok=True)
                continue
            data = path.read_bytes()
            outcome = reader.read(path)
            counts[outcome.kind] += 1
            if outcome.is_fault and (outcome.kind, outcome.place) not in places:
                places.add((outcome.kind, outcome.place))
                output.mkdir(parents=True, exist_ok=True)
                (output / path.name).write_bytes(data)
                (output / f"{path.name}.txt").write_text(f"{outcome.kind}\n{outcome.text}\n")
                faults[path.name] = outcome
                last_line = (outcome.text.strip().splitlines() or [""])[-1]
                print(f"{path.name}: {outcome.kind}: {last_line[:300]}", flush=True)
            path.unlink(missing_ok=True)
            path.with_suffix(".other").unlink(missing_ok=True)
    return counts, faults


def run() -> int:
    """Fuzz one reader; return 0 when it had no fault, else 1."""
    output = output_folder(FLAGS.output, f"fuzz-{FLAGS.reader}")
    counts, faults = fuzz(FLAGS.reader, FLAGS.seed, FLAGS.minutes, output)
    totals = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
    packages = ", ".join(f"{package} {version(package)}" for package in ("h5py", "numpy"))
    print(
        f"{FLAGS.reader}: {counts.total():,} files of seed {FLAGS.seed} in {FLAGS.minutes:g} minutes: {totals};"
        f" {len(faults)} faults{f' in {output}' if faults else ''}; python {platform.python_version()}, {packages}"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
