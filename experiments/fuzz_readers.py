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
from plas_jax.results.folder import asked_folder

FLAGS = flags.FlagValues()
flags.DEFINE_enum("reader", None, list(TARGETS), "Whose files.", required=True, flag_values=FLAGS)
flags.DEFINE_float("minutes", 10.0, "How long.", lower_bound=0.0, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "Seed of the damage.", flag_values=FLAGS)
flags.DEFINE_string("output", "", "Folder of the faults' files; default: a new one under results/.", flag_values=FLAGS)


def fuzz(name: str, seed: int, minutes: float, output: Path) -> tuple[Counter[str], dict[str, Outcome]]:
    """How many files had which outcome, and the faults by the file that is kept of each place in the code."""
    suffix, counts = SUFFIXES.get(name, ".json"), Counter[str]()
    found: dict[str, Outcome] = {}
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
            seen = reader.read(path)
            counts[seen.what] += 1
            if seen.is_fault and (seen.what, seen.place) not in places:
                places.add((seen.what, seen.place))
                output.mkdir(parents=True, exist_ok=True)
                (output / path.name).write_bytes(data)
                (output / f"{path.name}.txt").write_text(f"{seen.what}\n{seen.says}\n")
                found[path.name] = seen
                print(f"{path.name}: {seen.what}: {(seen.says.strip().splitlines() or [''])[-1][:300]}", flush=True)
            path.unlink(missing_ok=True)
            path.with_suffix(".other").unlink(missing_ok=True)
    return counts, found


def run(words: list[str]) -> int:
    """Fuzz one reader; 0 when nothing was found."""
    if words:
        raise ValueError(f"unexpected {' '.join(words)!r}: every argument is a flag, see --help")
    output = asked_folder(FLAGS.output, f"fuzz-{FLAGS.reader}")
    counts, found = fuzz(FLAGS.reader, FLAGS.seed, FLAGS.minutes, output)
    told = ", ".join(f"{count:,} {what}" for what, count in counts.most_common())
    packages = ", ".join(f"{package} {version(package)}" for package in ("h5py", "numpy"))
    print(
        f"{FLAGS.reader}: {counts.total():,} files of seed {FLAGS.seed} in {FLAGS.minutes:g} minutes: {told};"
        f" {len(found)} faults{f' in {output}' if found else ''}; python {platform.python_version()}, {packages}"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
