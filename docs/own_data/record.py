"""Record 200 episodes of a noisy hand-written controller as one HDF5 file in D4RL's layout, arm-noisy.hdf5."""

import gymnasium
import h5py
import numpy as np


def controller(arm, noise):
    """Turn the joints so that the tip moves towards the goal, and shake."""
    first, second = arm.joints[0], arm.joints.sum()
    along_x = [-np.sin(first) - np.sin(second), -np.sin(second)]
    along_y = [np.cos(first) + np.cos(second), np.cos(second)]
    towards = np.array([along_x, along_y]).T @ (arm.goal - arm.tip())
    return np.clip(3 * towards + noise.normal(0, 1, 2), -2, 2).astype(np.float32)


def main():
    """Play the episodes and write the file."""
    environment, noise = gymnasium.make("arm:Arm-v0"), np.random.default_rng(0)
    rows = {key: [] for key in ("observations", "actions", "rewards", "terminals", "timeouts")}
    for episode in range(200):
        observation, over = environment.reset(seed=episode)[0], False
        while not over:
            action = controller(environment.unwrapped, noise)
            following, reward, terminated, truncated, _ = environment.step(action)
            row = (observation, action, reward, terminated, truncated)
            for column, value in zip(rows.values(), row, strict=True):
                column.append(value)
            observation, over = following, terminated or truncated
    with h5py.File("arm-noisy.hdf5", "w") as file:
        for key, values in rows.items():
            file[key] = np.array(values)


if __name__ == "__main__":
    main()
