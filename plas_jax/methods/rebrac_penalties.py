"""ReBRAC's β1 and β2 for each data set: `configs/offline/rebrac` of CORL, equal to the authors' in all their 36."""

from typing import NamedTuple


class Penalties(NamedTuple):
    """The weights of ReBRAC's two penalties."""

    policy: float  # β1
    critic: float  # β2


# By the catalogue's `task`: v2 of locomotion and AntMaze, v1 of Adroit and Maze2D.
REBRAC_PENALTIES = {
    "halfcheetah-random": Penalties(0.001, 0.1),
    "halfcheetah-medium": Penalties(0.001, 0.01),
    "halfcheetah-medium-replay": Penalties(0.01, 0.001),
    "halfcheetah-medium-expert": Penalties(0.01, 0.1),
    "halfcheetah-expert": Penalties(0.01, 0.01),
    "halfcheetah-full-replay": Penalties(0.001, 0.1),
    "hopper-random": Penalties(0.001, 0.01),
    "hopper-medium": Penalties(0.01, 0.01),
    "hopper-medium-replay": Penalties(0.05, 0.5),
    "hopper-medium-expert": Penalties(0.1, 0.01),
    "hopper-expert": Penalties(0.1, 0.1),
    "hopper-full-replay": Penalties(0.01, 0.01),
    "walker2d-random": Penalties(0.01, 0.0),
    "walker2d-medium": Penalties(0.05, 0.1),
    "walker2d-medium-replay": Penalties(0.05, 0.01),
    "walker2d-medium-expert": Penalties(0.01, 0.01),
    "walker2d-expert": Penalties(0.01, 0.5),
    "walker2d-full-replay": Penalties(0.01, 0.01),
    "pen-human": Penalties(0.1, 0.5),
    "pen-cloned": Penalties(0.05, 0.5),
    "pen-expert": Penalties(0.01, 0.01),
    "door-human": Penalties(0.1, 0.1),
    "door-cloned": Penalties(0.01, 0.1),
    "door-expert": Penalties(0.05, 0.01),
    "hammer-human": Penalties(0.01, 0.5),
    "hammer-cloned": Penalties(0.1, 0.5),
    "hammer-expert": Penalties(0.01, 0.01),
    "relocate-human": Penalties(0.1, 0.01),
    "relocate-cloned": Penalties(0.1, 0.01),
    "relocate-expert": Penalties(0.05, 0.01),
    "antmaze-umaze": Penalties(0.003, 0.002),
    "antmaze-umaze-diverse": Penalties(0.003, 0.001),
    "antmaze-medium-play": Penalties(0.001, 0.0005),
    "antmaze-medium-diverse": Penalties(0.001, 0.0),
    "antmaze-large-play": Penalties(0.002, 0.001),
    "antmaze-large-diverse": Penalties(0.002, 0.002),
    "maze2d-umaze": Penalties(0.003, 0.001),
    "maze2d-medium": Penalties(0.003, 0.001),
    "maze2d-large": Penalties(0.003, 0.001),
}
