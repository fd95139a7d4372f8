"""An environment that plas_jax has never heard of: an arm of two joints that reaches for a point in the plane."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class Arm(gymnasium.Env):
    """Observation: cosines and sines of both joints, then the way from the tip to the goal. Reward: minus the distance.

    The references of the score are taken so that Gymnasium can hand them to the constructor; the arm has no use for
    them.
    """

    def __init__(self, ref_min_score: float | None = None, ref_max_score: float | None = None) -> None:
        self.observation_space = Box(-np.inf, np.inf, (6,))
        self.action_space = Box(-2.0, 2.0, (2,))  # speeds of the joints, rad/s

    def reset(self, seed=None, options=None):
        """Start anywhere, with a goal in reach; return the observation, `[6]`."""
        super().reset(seed=seed)
        self.joints = self.np_random.uniform(-np.pi, np.pi, 2)
        self.goal = self.np_random.uniform(-1, 1, 2)
        return self._observation(), {}

    def step(self, action):
        """Turn the joints for a twentieth of a second."""
        self.joints = self.joints + 0.05 * action
        return self._observation(), -float(np.linalg.norm(self.goal - self.tip())), False, False, {}

    def tip(self):
        """Return where the arm ends, `[2]`: both of its parts have the length 1."""
        first, second = self.joints[0], self.joints.sum()
        return np.array([np.cos(first) + np.cos(second), np.sin(first) + np.sin(second)])

    def _observation(self):
        parts = [np.cos(self.joints), np.sin(self.joints), self.goal - self.tip()]
        return np.concatenate(parts).astype(np.float32)


# What random actions return, about, and what a good controller does.
REFERENCES = {"ref_min_score": -145.0, "ref_max_score": -20.0}
gymnasium.register("Arm-v0", "arm:Arm", max_episode_steps=100, kwargs=REFERENCES)
