"""One reader to be fuzzed, and what several of them share."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

from fuzzing.mutations import damaged, damaged_json

ROOT = Path(__file__).parents[2]  # of a checkout, whose kept results are the sound files that damage is done to


class Target(NamedTuple):
    """One reader: `write` makes a hostile file in the parent, `read` reads it in the child."""

    write: Callable[[Random, Path], None]
    read: Callable[[Path], object]


def each(steps: list[Callable[[], object]]) -> None:
    """Take every step, though one before it refuses; then raise the first refusal (`ValueError` or `OSError`)."""
    refusals = []
    for step in steps:
        try:
            step()
        except (ValueError, OSError) as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def json_writer(texts: list[str]) -> Callable[[Random, Path], None]:
    """Make what writes one of these texts with damage to its values, its bytes or both."""

    def write(random: Random, path: Path) -> None:
        text = random.choice(texts)
        data = text.encode() if random.random() < 0.3 else damaged_json(random, text).encode("utf-8", "surrogatepass")
        path.write_bytes(data if random.random() < 0.6 and data != text.encode() else damaged(random, data))

    return write
