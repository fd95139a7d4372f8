"""Ways through a maze, cell by cell."""

from collections.abc import Collection, Mapping, Sequence

Cell = tuple[int, int]
# Up, down, left, right: the order in which D4RL prefers moves of equal worth (gridcraft/grid_env.py:10-21).
MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))


def shortest_way(free: Collection[Cell], start: Cell, target: Cell) -> Sequence[Cell]:
    """Return the cells of a shortest way behind `start`, the target last; it alone where the start is the target.

    D4RL finds it by 50 sweeps of Q-iteration with γ = 0.99 (waypoint_controller.py:76-90), which in mazes of fewer
    steps across comes to the same: of the moves that bring the target nearer, the first. Raises `ValueError` where
    there is no way.
    """
    distance = distances(free, target)
    if start not in distance:
        raise ValueError(f"there is no way from {start} to {target}")
    cell, way = start, []
    while cell != target:
        cell = nearer(distance, cell)
        way.append(cell)
    return way or [target]


def nearer(distance: Mapping[Cell, int], cell: Cell) -> Cell:
    """Return the first cell beside one that is a step nearer to what `distances` were taken to."""
    return next(near for near in neighbours(cell) if near in distance and distance[near] < distance[cell])


def distances(free: Collection[Cell], target: Cell) -> dict[Cell, int]:
    """Return how many steps each cell is away from the target, for those from which there is a way."""
    distance, edge = {target: 0}, [target]
    while edge:
        fresh = []
        for cell in edge:
            for near in neighbours(cell):
                if near in free and near not in distance:
                    distance[near] = distance[cell] + 1
                    fresh.append(near)
        edge = fresh
    return distance


def neighbours(cell: Cell) -> list[Cell]:
    """List the four cells beside one, walls among them."""
    return [(cell[0] + x, cell[1] + y) for x, y in MOVES]
