"""Build the sdist and from it the wheel, install that in an environment of its own, and use it from an empty folder.

usage: wheel.py      (in a checkout, by a Python that has `build`; `make wheel-test` calls it so)

The wheel must hold every file of plas_jax/ and no other, tests and experiments least of all. Exit status 0 if it does
and its commands work.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from zipfile import ZipFile

CHECKOUT = Path(__file__).parents[1]
LINES = "lines_of_python_md.py"
COMMANDS = (
    ("plas-jax", "datasets", "make", "hopper-medium-r1", "--size=2000"),
    ("python", f"../home/{LINES}"),
    ("plas-jax", "report", "results/hopper"),
)
# What stands before the lines of docs/python.md, so that they take seconds.
SMALL = """\
from plas_jax.methods import scales

scales.SCORE_PRESETS["laptop"] = scales.SMOKE._replace(name="laptop", evaluations=lambda updates: (updates,))
"""
COMMIT = "plas_jax/commit.txt"  # which setup.py writes into what it builds


def main() -> int:
    """Build, compare, install and use; 0 when all of it worked."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # Without --wheel, `build` makes the wheel from the sdist and so cannot take a file that only a checkout has.
        call(sys.executable, "-m", "build", "--outdir", folder, CHECKOUT)
        (wheel,) = folder.glob("*.whl")
        if trouble := differences(wheel):
            print(*trouble, sep="\n", file=sys.stderr)
            return 1
        venv.create(folder / "environment")
        programs = folder / "environment" / "bin"
        call(sys.executable, "-m", "pip", "--python", programs / "python", "install", wheel)
        for name in ("home", "empty"):
            (folder / name).mkdir()
        (folder / "home" / LINES).write_text(SMALL + documented_lines(), encoding="utf-8")
        for program, *words in COMMANDS:
            call(programs / program, *words, cwd=folder / "empty", HOME=str(folder / "home"))
    return 0


def documented_lines() -> str:
    """Return the first lines of Python in docs/python.md as they stand, but for the last, which compares methods.

    That trains four more of them, which tests/test_python.py does.
    """
    document = (CHECKOUT / "docs" / "python.md").read_text(encoding="utf-8")
    lines = document.split("```python\n")[1].split("```")[0]
    return lines[: lines.index("print(pj.compare(")]


def differences(wheel: Path) -> list[str]:
    """Return a line for each file that the wheel lacks or should not have, beside its own metadata."""
    package = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "plas_jax").rglob("*") if path.is_file()}
    package = {name for name in package if "__pycache__" not in name} | {COMMIT}
    packed = {name for name in ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    lacks = [f"{wheel.name} lacks {name}: package_data of setup.py" for name in sorted(package - packed)]
    return lacks + [f"{wheel.name} must not have {name}" for name in sorted(packed - package)]


def call(*words: object, cwd: Path = CHECKOUT, **variables: str) -> None:
    """Call a program that sees no package but those installed for it, and print how long it took.

    Raises `SystemExit`, with what the program printed, where it fails.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XDG_CACHE_HOME")}
    line, started = [str(word) for word in words], time.monotonic()
    done = subprocess.run(
        line,
        cwd=cwd,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nerror: {' '.join(line)}: exit status {done.returncode}")
    print(f"{' '.join(Path(word).name for word in line)}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
