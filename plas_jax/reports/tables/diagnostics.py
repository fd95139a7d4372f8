"""Whether each method can work on its data: the diagnostics as a table, and in words where it cannot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from plas_jax.reports import markdown
from plas_jax.results.diagnostics import by_cell, read_diagnostics
from plas_jax.results.runs import Cell

TITLE = "Whether a method can work on its data"
MEASURES = {
    "active_latents": "active latents",
    "corner_reach": "corners move actions by",
    "data_spread": "data's spread",
    "latent_saturation": "latents at ±σ",
    "action_saturation": "actions at ±1",
    "return_to_go": "return to go",
    "q_minus_return": "Q less return",
    "effective_sample_share": "effective sample share",
    "mmd_over_limit": "MMD over its limit",
    "divergence": "KL from the behaviour",
}
NOTE = (
    "Of trained runs on 512 rows of their data, mean over seeds. A latent is active where it tells more than 0.05 nats"
    " of the action. Corners are those of the latents' box ±σ; they and the data's actions are measured from the action"
    " of latent 0 (root mean squares). Returns are discounted, and are those of the data's own actions from the same"
    " rows on. The effective sample share is 1 where all rows weigh the same."
)
Diagnostics = Mapping[Cell, Mapping[str, float]]


def diagnostics_section(path: Path) -> str:
    """Return the section that ends a file of tables; nothing where the sweep has no diagnostics yet."""
    diagnostics = by_cell(read_diagnostics(path)) if path.exists() else {}
    if not diagnostics:
        return ""
    header, body = diagnostics_table(diagnostics)
    said = "\n".join(f"- **{line}**" for line in warnings(diagnostics))
    parts = [f"## {TITLE}", markdown.table(header, body), NOTE, said]
    return "\n" + "\n\n".join(part for part in parts if part) + "\n"


def diagnostics_table(diagnostics: Diagnostics) -> tuple[list[str], list[list[str]]]:
    """Return header and body: a line for each cell, a column for each measure that any has."""
    names = [name for name in MEASURES if any(name in measures for measures in diagnostics.values())]
    body = [[*_place(cell), *(_number(measures, names))] for cell, measures in sorted(diagnostics.items())]
    return ["data set", "method", *(MEASURES[name] for name in names)], body


def warnings(diagnostics: Diagnostics) -> list[str]:
    """Return in whole sentences where a method cannot do what it is for; once, whatever its setting."""
    lines = []
    for cell, measures in sorted(diagnostics.items()):
        place = f"{cell.algorithm} on {cell.dataset}"
        if measures.get("active_latents", 1.0) < 0.5:  # on most seeds
            lines.append(f"{place}: no latent is active. The decoder clones, and latents have nothing to choose.")
        if measures.get("effective_sample_share", 1.0) < 0.01:
            lines.append(f"{place}: its weights are worth less than 1 % of the rows. It imitates a few of them.")
        if measures.get("mmd_over_limit", 0.0) > 2:
            lines.append(f"{place}: its constraint is broken, more than twice its limit.")
    return list(dict.fromkeys(lines))


def _place(cell: Cell) -> tuple[str, str]:
    limit = f"ε={cell.perturbation_limit:g}" if cell.perturbation_limit else ""
    return cell.dataset, " ".join(filter(None, [cell.algorithm, limit, cell.knobs]))


def _number(measures: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{measures[name]:,.2f}".replace("-", "−") if name in measures else markdown.DASH for name in names]
