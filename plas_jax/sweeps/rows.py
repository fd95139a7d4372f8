"""The rows of one evaluation: every episode with what tells its run apart."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from plas_jax.datasets.catalogue import normalised_score
from plas_jax.evaluation.returns import Returns
from plas_jax.methods.method import Method
from plas_jax.results.rows import Row
from plas_jax.results.runs import Cell as NamedCell
from plas_jax.sweeps.groups import Group
from plas_jax.training.chunk import HEALTHY
from plas_jax.training.phases import Cell, Pair, Part

COLUMNS = ("perturbation_limit", "latent_limit", "clip_weight")  # knobs with a column of their own


class Played(NamedTuple):
    """One evaluation: returns `[runs, episodes]`, when runs diverged `[runs]`, after which update it was."""

    returns: Returns
    diverged_at: np.ndarray
    update: int
    control: str = ""  # which of the method's controls was played; empty for its policies


def label(method: Method, knobs: NamedTuple) -> str:
    """Return the name that a run has in the rows: the method's, where PLAS with ε > 0 is PLAS+P (section 4.2)."""
    return "plas+p" if method.name == "plas" and getattr(knobs, "perturbation_limit", 0) > 0 else method.name


def setting(cell: Cell) -> str:
    """Return the swept knobs that have no column, as name=value with blanks between them."""
    return " ".join(f"{name}={float(value)!r}" for name, value in cell.swept if name != "perturbation_limit")


def named_cell(method: Method, dataset: str, cell: Cell, knobs: NamedTuple) -> NamedCell:
    """Return the place in a table that a cell of a part has, by the names in the rows."""
    return NamedCell(dataset, label(method, knobs), float(getattr(knobs, "perturbation_limit", 0.0)), setting(cell))


def rows_of(group: Group, pairs: Sequence[Pair], part: Part, played: Played) -> Iterator[Row]:
    """Yield a row for each run and episode; a control's have its name, and the columns of the policies' knobs."""
    method = group.method
    for place, cell in enumerate(part.cells):
        pair = pairs[cell.pair]
        knobs = method.run_knobs(method.phase, pair.name, cell.swept)
        environment = group.datasets[pair.dataset].environment
        returns, lengths = played.returns.episode_return[place], played.returns.episode_length[place]
        scores = normalised_score(environment, returns)
        diverged_at = int(played.diverged_at[place])
        for episode in range(len(returns)):
            yield Row(
                dataset=pair.name,
                algorithm=played.control or label(method, knobs),
                seed=pair.seed,
                **columns(knobs),
                knobs=setting(cell),
                dynamics="own" if environment.is_own else group.dynamics,
                update=played.update,
                episode=episode,
                episode_length=int(lengths[episode]),
                episode_return=float(returns[episode]),
                score=float(scores[episode]),
                diverged_at=None if diverged_at == HEALTHY else diverged_at,
            )


def columns(knobs: NamedTuple) -> dict[str, float | None]:
    """Return the knobs that have a column of their own; None for those that a method has not."""
    values = {name: getattr(knobs, name, None) for name in COLUMNS}
    return {name: None if value is None else float(value) for name, value in values.items()}
