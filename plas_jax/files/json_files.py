"""JSON files that anyone may have written: checked text, bounded numbers, the shape that its reader relies on."""

import json
import math
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LARGEST = 64 * 2**20  # bytes; the kept results of ten methods on nine data sets are 60 kB
WORDS: Mapping[object, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
ANY = "*"  # a key of a shape that stands for every key
NUMBER = (int, float)
OBJECT: Mapping[str, object] = {}  # a shape


def read_object(path: Path, shape: Mapping[str, object] = OBJECT) -> dict[str, Any]:
    """Read the JSON object in a file, checked as `check` does.

    Raises `OSError`, or `ValueError`, one line that names the file.
    """
    content = parsed(text_of(path), str(path))
    check(content, shape, str(path))
    return content


def text_of(path: Path) -> bytes:
    """Read the bytes of a file of text. Raises `OSError` where it is none, `ValueError` where it is larger than any."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # a pipe would be waited for
        raise OSError(f"{path} is not a file")
    if about.st_size > LARGEST:
        raise ValueError(f"{path}: {about.st_size:,} bytes are more than the {LARGEST:,} of any such file")
    return path.read_bytes()


def parsed(data: bytes | str, where: str, finite: bool = True) -> Any:
    """Return what the JSON says; `where` opens the line of an error. Unless `finite`, numbers may be Infinity and NaN.

    Raises `ValueError` for what is no JSON in UTF-8, for numbers that neither 64-bit integers nor finite floats hold,
    for halves of characters and for nesting that nobody writes by hand.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        content = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite if finite else float)
        json.dumps(content, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not JSON: byte {error.start} is not UTF-8 text") from error
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: not JSON: it has half a character (an escape from \\ud800 to \\udfff)") from error
    except RecursionError as error:
        raise ValueError(f"{where}: not JSON that can be read: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{where}: not JSON: {error}") from error
    return content


def check(content: Any, shape: object, where: str) -> None:
    """Raise `ValueError`, one line that says where, unless the value has this shape.

    A shape is a type or several; None for nothing; a list of the one shape of every member; or a mapping from keys to
    shapes, where a key that ends in ? may be missing and `ANY` stands for all keys. Keys that it has not are let be.
    """
    if isinstance(shape, Mapping):
        _is(content, (dict,), where)
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if key == ANY:
                for each, value in content.items():
                    check(value, inner, f"{where}: {shown(each)}")
            elif name in content:
                check(content[name], inner, f"{where}: {name}")
            elif name == key:
                raise ValueError(f"{where}: {name} is missing")
    elif isinstance(shape, list):
        _is(content, (list,), where)
        for place, value in enumerate(content):
            check(value, shape[0], f"{where}: member {place}")
    else:
        _is(content, shape if isinstance(shape, tuple) else (shape,), where)


def _is(content: object, types: Sequence[object], where: str) -> None:
    # True is an int in Python, in JSON it is none.
    if (content is None and None in types) or type(content) in types:
        return
    wanted = " or ".join("null" if each is None else WORDS[each] for each in types)
    raise ValueError(f"{where}: {shown(content)} is not {wanted}")


def shown(value: object) -> str:
    """Write a value as Python does, cut where it is long: for messages."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"{digits[:20]}… is too large a number")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is no finite number")
    return value
