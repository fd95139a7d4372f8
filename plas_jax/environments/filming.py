"""Episodes as pictures: MuJoCo draws off screen, by EGL or OSMesa, where one of them is there."""

from collections.abc import Callable, Iterator

import mujoco
import numpy as np

from plas_jax.datasets.catalogue import Environment
from plas_jax.environments.episodes import Episodes
from plas_jax.environments.lockstep import Lockstep
from plas_jax.environments.together import Simulation
from plas_jax.files.messages import one_line

HEIGHT, WIDTH = 352, 480  # pixels, in the blocks of 16 that films are made of
FRAMES_PER_SECOND = 30  # at most
CAMERA = "track"  # locomotion and the Ant have it; others are seen from where MuJoCo would look first
Act = Callable[[np.ndarray, int], np.ndarray]
Picture = Callable[[], np.ndarray]


def film(
    environment: Environment, dynamics: str, horizon: int, act: Act, seed: int
) -> tuple[float, Iterator[np.ndarray]]:
    """Return how many pictures of one episode make a second, and the pictures, uint8 `[height, width, 3]`.

    `act(observation, step)` maps `[observation]` to an action within ±1. Raises `ValueError`, one line, where nothing
    can be drawn.
    """
    simulation, picture, seconds = _filmed(environment, dynamics)
    every = max(1, round(1.0 / (FRAMES_PER_SECOND * seconds)))

    def pictures() -> Iterator[np.ndarray]:
        observation = simulation.reset([seed])[0].astype(np.float32)
        for step in range(horizon):
            if step % every == 0:
                yield picture()
            following, _, ended = simulation.step(act(observation, step)[None], np.array([0]))
            observation = following[0].astype(np.float32)
            if ended[0]:
                break
        yield picture()
        simulation.close()

    return 1.0 / (every * seconds), pictures()


def _filmed(environment: Environment, dynamics: str) -> tuple[Simulation, Picture, float]:
    """Return one episode's simulation, what draws it as it stands, and the seconds of a control step."""
    if environment.is_own:
        episodes = Episodes(environment, 1, render_mode="rgb_array")
        return episodes, episodes.picture, 1.0 / FRAMES_PER_SECOND  # it does not say how long its step lasts
    simulation = Lockstep(environment.name, 1, dynamics)
    try:
        renderer = mujoco.Renderer(simulation.model, HEIGHT, WIDTH)
    except Exception as error:  # whatever the graphics libraries of a machine may raise
        raise ValueError(undrawable(error)) from error
    data = mujoco.MjData(simulation.model)
    camera = mujoco.mj_name2id(simulation.model, mujoco.mjtObj.mjOBJ_CAMERA, CAMERA)  # -1 where there is none

    def picture() -> np.ndarray:
        data.qpos[:], data.qvel[:] = simulation.position[0], simulation.velocity[0]
        mujoco.mj_forward(simulation.model, data)
        renderer.update_scene(data, camera)
        return renderer.render()

    return simulation, picture, simulation.model.opt.timestep * simulation.robot.frame_skip


def undrawable(error: Exception) -> str:
    """Say that MuJoCo cannot draw here, and what it needs."""
    return (
        f"MuJoCo cannot draw off screen here ({one_line(error, 200)}): install libEGL and set MUJOCO_GL=egl, or "
        "libOSMesa and MUJOCO_GL=osmesa"
    )
