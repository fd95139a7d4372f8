"""What is fuzzed, by name: a way to make a hostile file, and all that a command does with such a file once it is there.

A reader raises what the command would; the child that calls it (`watched_reader.py`) judges that.
"""

from collections.abc import Callable

from fuzzing.arrays import npz
from fuzzing.data import hdf5, minari
from fuzzing.results import accepted, manifests, recipes, rows
from fuzzing.target import Target

TARGETS: dict[str, Callable[[], Target]] = {
    "hdf5": hdf5,
    "npz": npz,
    "rows": rows,
    "manifest": manifests,
    "accepted": accepted,
    "recipes": recipes,
    "minari": minari,
}
SUFFIXES = {"hdf5": ".hdf5", "npz": ".npz", "rows": ".csv", "minari": ".any"}
