"""Damage done to files for fuzzing: bytes, JSON and CSV, from a sound file and a generator of random choices."""

import copy
import csv
import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

# Lengths, offsets and counts that a parser may trust.
NUMBERS = (
    0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 10**12, 2**63 - 1, 2**64 - 1,
)  # fmt: skip
DEEP, DEPTH = "\ue000deep", 100_000
# What a field of text may hold that its reader did not think of.
WORDS = (
    "", " ", "0", "-0", "-1", "1.5", "1e400", "-1e400", "nan", "NaN", "Infinity", "-inf", "1_0", "٣", "０", "+7",
    "0x1f", "9" * 19, "9" * 400, "9" * 5000, "true", "null", "../../x", "/etc/passwd", "a/b", "..", "a\nb", "a\r\nb",
    "\0", "\ufeff", "a|b", "\x1b[2J", "é", "e\u0301", "\u202e", "\ud800", '"', "'", "x" * 200_000, ",", "a=1", "a=nan",
    "a=1e400 b=", "plas",
)  # fmt: skip
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 1.5, 1e308, -1e308, float("nan"), float("inf"), [], {}, [[]],
    [{}], {"": None}, [None], [0] * 5000, {"a": {"a": {"a": 1}}}, DEEP, *WORDS,
)  # fmt: skip


def damaged(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Return the bytes after one to four random mutations; `others` are sound files that pieces may come from."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        data = random.choice(MUTATIONS)(random, data, random.choice(others) if others else data)
    return data


def _place(random: Random, data: bytes) -> tuple[int, int]:
    """Choose a stretch, mostly short, and in the start of a file, where headers are, more often than elsewhere."""
    limit = len(data) if random.random() < 0.6 else min(len(data), 2048)
    start = random.randrange(limit + 1)
    return start, min(len(data), start + random.choice((1, 2, 4, 8, 64, 512, 4096, len(data))))


def _flip(random: Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _bit in range(random.choice((1, 1, 2, 8)) if changed else 0):
        start = _place(random, data)[0]
        changed[min(start, len(data) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(random: Random, data: bytes, _: bytes) -> bytes:
    """Put a number in place of what is there."""
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    number = (random.choice(NUMBERS) % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
    start = _place(random, data)[0]
    return data[:start] + number + data[start + width :]


def _truncate(random: Random, data: bytes, _: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _zero(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _place(random, data)
    return data[:start] + random.choice((b"\0", b"\xff", b" ")) * (stop - start) + data[stop:]


def _delete(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _place(random, data)
    return data[:start] + data[stop:]


def _duplicate(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _place(random, data)
    return data[:stop] + data[start:stop] * random.choice((1, 1, 3, 50 if stop - start < 4097 else 1)) + data[stop:]


def _swap(random: Random, data: bytes, _: bytes) -> bytes:
    """Write one stretch over another of the same length, as of a file whose blocks were mixed up."""
    start, stop = _place(random, data)
    to = _place(random, data)[0]
    return data[:to] + data[start:stop] + data[to + stop - start :]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _append(random: Random, data: bytes, other: bytes) -> bytes:
    return data + random.choice((b"\0" * 1000, b"\xef\xbb\xbf", b"\r\n", other[:4096]))


def _prepend(random: Random, data: bytes, other: bytes) -> bytes:
    return random.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 512, b"\r\n", other[:512])) + data


def _word(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _place(random, data)
    return data[:start] + random.choice(WORDS).encode("utf-8", "surrogatepass") + data[random.choice((start, stop)) :]


MUTATIONS: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _flip, _flip, _flip, _overwrite, _overwrite, _overwrite, _truncate, _zero, _delete, _duplicate, _swap, _splice,
    _append, _prepend, _word,
)  # fmt: skip


def damaged_json(random: Random, text: str) -> str:
    """Return the JSON with one to three of its values replaced, removed, renamed or repeated; it stays JSON."""
    tree = [json.loads(text)]
    for _ in range(random.choice((1, 1, 2, 3))):
        at, key = _node(random, tree)
        change = random.randrange(6)
        if change == 0 and tree[0] is not at and at is not tree:
            del at[key]
        elif change == 1 and isinstance(at, dict):
            at[random.choice([word for word in WORDS if len(word) < 500])] = at.pop(key)
        elif change == 2 and isinstance(at, list) and at is not tree:
            at.extend(copy.deepcopy([at[key]] * random.choice((1, 3, 1000))))
        else:
            at[key] = copy.deepcopy(random.choice(VALUES))  # later damage must not change what is chosen from
    deep = random.choice(("[" * DEPTH + "]" * DEPTH, '{"a":' * DEPTH + "1" + "}" * DEPTH))
    return json.dumps(tree[0], ensure_ascii=random.random() < 0.5).replace(json.dumps(DEEP), deep).replace(DEEP, deep)


def _node(random: Random, tree: list[Any]) -> tuple[Any, Any]:
    """Choose a place in a tree, as what holds it and its key there; near the root as likely as deep down."""
    at, key = tree, 0
    while isinstance(at[key], dict | list) and at[key] and random.random() < 0.8:
        at, key = at[key], random.choice(list(at[key]) if isinstance(at[key], dict) else range(len(at[key])))
    return at, key


def damaged_csv(random: Random, text: str) -> str:
    """Return the CSV with fields replaced, dropped or added and lines repeated, dropped or moved."""
    lines = list(csv.reader(io.StringIO(text)))
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(lines)) if random.random() < 0.9 else 0
        fields, change = lines[place], random.randrange(10)
        if change < 6 and fields:
            fields[random.randrange(len(fields))] = random.choice(WORDS)
        elif change == 6 and fields:
            del fields[random.randrange(len(fields))]
        elif change == 7:
            fields.insert(random.randrange(len(fields) + 1), random.choice(WORDS))
        elif change == 8:
            lines.insert(random.randrange(len(lines) + 1), list(random.choice(lines)))
        elif len(lines) > 1:
            del lines[place]
    written = io.StringIO()
    csv.writer(written, lineterminator=random.choice(("\n", "\n", "\r\n", "\r"))).writerows(lines)
    return written.getvalue()
