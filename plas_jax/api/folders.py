"""A folder of results in Python: its policies, rows, metrics and scores. Reading it changes nothing in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from plas_jax.api.policies import start
from plas_jax.api.tables import Table, score_table
from plas_jax.evaluation.policy import About, Policy
from plas_jax.evaluation.policy_files import policy_files, read_about, read_policy
from plas_jax.methods.method import Method
from plas_jax.methods.own import own_method
from plas_jax.results.folder import OutputFolder
from plas_jax.results.manifest import Manifest
from plas_jax.results.metrics import MetricsRow
from plas_jax.results.rows import Row


class Folder:
    """What one sweep left, or has left so far."""

    def __init__(self, path: Path, methods: Sequence[Method] = ()):
        """Take the folder of a sweep; `methods` are those of one's own among its methods."""
        self.path = path
        self._folder, self._methods = OutputFolder(path), {method.name: method for method in methods}

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    @property
    def manifest(self) -> Manifest:
        """Return what was asked for and made of it. Raises `ValueError` or `OSError`, one line, where there is none."""
        return self._folder.read_manifest()

    @property
    def rows(self) -> list[Row]:
        """Return a row for every episode, as in `results.csv`."""
        return self._folder.read_rows()

    @property
    def metrics(self) -> list[MetricsRow]:
        """Return what updates returned, as in `metrics.csv`."""
        return self._folder.read_metrics()

    def policies(
        self, dataset: str | None = None, algorithm: str | None = None, seed: int | None = None, **swept: float
    ) -> list[Policy]:
        """Return the policies of this data set, algorithm (as in `results.csv`), seed and values of swept knobs."""
        wanted: dict[str, object] = {"dataset": dataset, "label": algorithm, "seed": seed}
        start()
        return [
            read_policy(
                path, self._methods.get(about.method) if about.source_sha256 or about.method in self._methods else None
            )
            for path, about in self._known()
            if _is_wanted(about, wanted, swept)
        ]

    def policy(
        self, dataset: str | None = None, algorithm: str | None = None, seed: int | None = None, **swept: float
    ) -> Policy:
        """Return the one policy that fits, as `policies` has it. Raises `ValueError` where none or several do."""
        fitting = self.policies(dataset, algorithm, seed, **swept)
        if len(fitting) != 1:
            names = [policy.about.name for policy in fitting] or [about.name for _, about in self._known()]
            raise ValueError(f"{len(fitting)} policies fit: say which of {', '.join(names)}")
        return fitting[0]

    def table(self) -> Table:
        """Return the scores of every method on every data set, means over seeds with 95 % intervals."""
        return score_table(self._folder, self.manifest)

    def _known(self) -> Iterator[tuple[Path, About]]:
        for path in policy_files(self.path):
            yield path, read_about(path)


def _is_wanted(about: About, wanted: dict[str, object], swept: dict[str, float]) -> bool:
    fits = all(value is None or getattr(about, name) == value for name, value in wanted.items())
    return fits and all(about.knobs.get(name) == value for name, value in swept.items())


def open(path: str | Path, methods: Sequence[str | Path | Method] = ()) -> Folder:  # noqa: A001 - as pj.open
    """Return the folder of a sweep; `methods` are those of one's own among its methods, or their Python files.

    Raises `ValueError` or `OSError`, one line, where it is none.
    """
    own = [method if isinstance(method, Method) else own_method(Path(method)) for method in methods]
    folder = Folder(Path(path).expanduser(), own)
    folder.manifest  # noqa: B018 - refuses what is none
    return folder
