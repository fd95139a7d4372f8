"""The rows of a sweep over several knobs, apart by the value of one of them."""

from collections.abc import Sequence

from plas_jax.results.rows import Row


def by_knob(rows: Sequence[Row], knob: str) -> dict[str, list[Row]]:
    """Return the rows of each value of a swept knob, rising, by its text as in `knobs`, which loses it.

    Rows that do not have it, a first phase's, belong to every value. Where none has it, all rows are those of "".
    """
    parts: dict[str, list[Row]] = {}
    shared: list[Row] = []
    for row in rows:
        words = row.knobs.split()
        own = [word for word in words if word.startswith(f"{knob}=")]
        if not own:
            shared.append(row)
            continue
        others = " ".join(word for word in words if word not in own)
        parts.setdefault(own[0].partition("=")[2], []).append(row._replace(knobs=others))
    return {value: shared + parts[value] for value in sorted(parts, key=float)} or {"": shared}
