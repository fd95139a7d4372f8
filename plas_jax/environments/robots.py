"""Every environment that is simulated here, by its name in the catalogue."""

from plas_jax.environments.adroit_tasks import ADROIT
from plas_jax.environments.antmaze import ANTMAZE
from plas_jax.environments.kitchen import KITCHEN
from plas_jax.environments.locomotion import LOCOMOTION
from plas_jax.environments.maze2d import MAZE2D
from plas_jax.environments.robot import Robot

ROBOTS: dict[str, Robot] = {**LOCOMOTION, **MAZE2D, **ANTMAZE, **ADROIT, **KITCHEN}
