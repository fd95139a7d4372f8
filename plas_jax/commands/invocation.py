"""How every command is called: flags of its own, one clear line for an error, an exit status."""

import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags

from plas_jax.files.messages import nearest_file, one_line
from plas_jax.sweeps.interruption import Terminated, terminable


def invoke(
    run: Callable[..., int],
    flag_values: flags.FlagValues,
    usage: str,
    argv: Sequence[str] | None = None,
    error_status: int = 1,
    takes_words: bool = False,
) -> int:
    """Parse the flags and call `run`, with the remaining words if it takes any.

    Returns its exit status; `error_status` after an error (`ValueError`, `OSError` or `MemoryError`, one line on
    stderr), 2 for flags that do not parse and for an `absl.flags.Error` of `run`, 130 after Ctrl-C, 143 after SIGTERM.
    `--help` prints the usage and the flags; with `--traceback` the line of an error stands under all that led to it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    whole = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    if {"--help", "-h", "-help"} & set(words):
        print(usage.strip(), flag_values.main_module_help() or flag_values.get_help(), sep="\n\n")
        return 0
    try:
        flag_values.unparse_flags()
        _, *words = flag_values(["", *words])
        with terminable(), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
            if words and not takes_words:
                raise ValueError(_unexpected(words, flag_values))
            return run(words) if takes_words else run()
    except flags.Error as error:
        return complain(error, 2)
    except (ValueError, OSError, MemoryError) as error:
        if whole:
            traceback.print_exception(error)
        return complain(error, error_status)
    except Terminated:
        return complain(f"terminated; {_left_behind(flag_values)}", 143)
    except KeyboardInterrupt:
        return complain(f"interrupted; {_left_behind(flag_values)}", 130)


def _unexpected(words: Sequence[str], flag_values: flags.FlagValues) -> str:
    """Refuse words where none is expected, with the flag that takes the first among its few values."""
    fits = (f for f in flag_values if words[0] in getattr(flag_values[f].parser, "enum_values", ()))
    advice = next((f"; did you mean --{name}={words[0]}?" for name in fits), ", see --help")
    return f"unexpected {' '.join(words)!r}: every argument is a flag{advice}"


def _left_behind(flag_values: flags.FlagValues) -> str:
    how = "; the same command with --output=FOLDER --resume goes on" if "resume" in flag_values else ""
    return f"nothing half-made was left behind{how}"


def complain(error: object, status: int) -> int:
    """Print one line on stderr, for a file that is not there with the nearest one beside it; return the status."""
    missing = error.filename if isinstance(error, FileNotFoundError) else None
    close = nearest_file(Path(missing)) if isinstance(missing, str) else ""
    print(f"error: {one_line(error)}{close}", file=sys.stderr)
    return status
