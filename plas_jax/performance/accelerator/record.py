"""What was measured of a device so far, as JSON and as Markdown, both written anew with every row."""

import json
from pathlib import Path

from plas_jax.files.json_files import OBJECT, read_object
from plas_jax.files.whole_files import write_whole
from plas_jax.performance.accelerator.measuring import Key, key
from plas_jax.performance.accelerator.programs import Row
from plas_jax.performance.accelerator.tables import text

NAME = "accelerator"
SHAPE = {"command": str, "rows": [OBJECT]}


class Record:
    """The rows of one folder. Each thing has one row: the newest."""

    def __init__(self, folder: Path, command: str, resume: bool):
        """Take up what the folder has. Raises `FileExistsError`, one line, where it has something and may not go on."""
        self.json, self.markdown = folder / f"{NAME}.json", folder / f"{NAME}.md"
        self._command, self.rows = command, dict[Key, Row]()
        if self.json.exists():
            if not resume:
                raise FileExistsError(f"{folder} holds measurements already: --resume goes on with them")
            self.rows = {key(row): row for row in read_object(self.json, SHAPE)["rows"]}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> set[Key]:
        """Return what need not be measured again; what was refused may come out otherwise another time."""
        return {which for which, row in self.rows.items() if "refused" not in row}

    @property
    def differs(self) -> bool:
        """Return whether some update came to other numbers than a processor's."""
        return any(row.get("agrees") is False for row in self.rows.values())

    def add(self, row: Row) -> None:
        """Write a row down. Raises `ValueError`, one line, where the rows so far are of another device."""
        before = self.rows.get(key(row), row)
        for name in ("device", "driver"):
            if before.get(name) != row.get(name):
                raise ValueError(f"{self.json} is of {before[name]}, and this is {row[name]}: give a new --output")
        self.rows[key(row)] = row
        content = {"command": self._command, "rows": list(self.rows.values())}
        write_whole(self.json, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        write_whole(self.markdown, text(self._command, list(self.rows.values())))
