"""Fetch what the report's page draws with, D3 and Observable Plot, at the versions that assets.json names.

usage: fetch_page_assets.py [--update]      (in a checkout, where npm is installed)

npm downloads each package from the registry that it is set up with, and checks it against the registry's own checksum.
The files are compared with the checksums in assets.json and put where the package has them. --update writes the
checksums of other versions: edit "version" in assets.json first, call with --update, then run the tests.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.files.whole_files import whole_file

ASSETS = Path(__file__).parents[1] / "plas_jax" / "reports" / "page" / "assets"
LARGEST = 2_000_000  # bytes of a file

FLAGS = flags.FlagValues()
flags.DEFINE_boolean("update", False, "Write the checksums of what is fetched.", flag_values=FLAGS)


def run() -> int:
    """Fetch every file; raise `ValueError`, one line, for one whose checksum is another."""
    listed = json.loads((ASSETS / "assets.json").read_text(encoding="utf-8"))
    for package, record in listed.items():
        fetched = _fetched(package, record["version"], [entry["member"] for entry in record["files"].values()])
        for name, entry in record["files"].items():
            content = fetched[entry["member"]]
            checksum = hashlib.sha256(content).hexdigest()
            if FLAGS.update:
                entry["sha256"] = checksum
            elif checksum != entry["sha256"]:
                raise ValueError(f"{name} of {package} {record['version']}: sha256 {checksum}, not {entry['sha256']}")
            with whole_file(ASSETS / name) as partial:
                partial.write_bytes(content)
            print(f"{name}: {len(content):,} bytes of {package} {record['version']}")
    with whole_file(ASSETS / "assets.json") as partial:
        partial.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return 0


def _fetched(package: str, version: str, members: list[str]) -> dict[str, bytes]:
    """Return these members of a package's archive."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            raise ValueError(f"npm cannot fetch {package} {version}: {done.stderr.strip() or 'no archive'}")
        with tarfile.open(archives[0]) as archive:
            return {member: _content(archive, member) for member in members}


def _content(archive: tarfile.TarFile, member: str) -> bytes:
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member} is no file")
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{member} has more than {LARGEST:,} bytes")
    return content


if __name__ == "__main__":
    sys.exit(invoke(run, FLAGS, __doc__ or ""))
