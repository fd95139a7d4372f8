"""One trained policy apart from its sweep: NumPy in, NumPy out."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from plas_jax.datasets.catalogue import Environment
from plas_jax.methods.method import Method, Phase
from plas_jax.methods.shapes import state_shapes
from plas_jax.training import phases
from plas_jax.training.acting import Acting, act_runs, actions_of
from plas_jax.training.layout import on_runs, run_mesh
from plas_jax.types import Array, Axis, Sizes, State


@dataclass(frozen=True)
class About:
    """What is known of a policy beside its parameters: all that acting, evaluating and citing it need."""

    method: str
    label: str  # as in results.csv
    architecture: dict[str, object]
    first_architecture: dict[str, object]
    knobs: dict[str, float]
    swept: dict[str, float]  # those of the knobs that a grid gave it
    sizes: dict[str, list[int]]  # true and padded length of each axis
    dataset: str
    seed: int
    update: int
    diverged_at: int | None
    environment: Environment
    dynamics: str
    horizon: int  # steps of an evaluation's episodes
    source_sha256: str = ""  # of a method of one's own: its file
    provenance: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what tells a policy from the others of its sweep, in one word."""
        setting = [f"{knob}={value!r}" for knob, value in self.swept.items()]
        return "_".join([self.dataset, self.label, *setting, f"seed={self.seed}"])


class Policy:
    """A policy that a method trained, for one data set and seed. Calling it gives actions; nothing else changes it."""

    def __init__(self, method: Method, about: About, state: State):
        """Take a method, what is known of the policy, and its state, whose leaves are NumPy's of one run."""
        self.method, self.about, self.state = method, about, state
        self._mesh = run_mesh(1)
        knobs = method.phase.knobs._replace(**about.knobs)
        self._state = on_runs(self._mesh, jax.tree.map(lambda leaf: leaf[None], state))
        self._knobs = on_runs(self._mesh, jax.tree.map(lambda value: np.array([value], np.float32), knobs))
        pair = phases.Pair(0, about.dataset, about.seed)
        self._key = on_runs(self._mesh, phases.phase_keys([pair], phases.LAST_EVALUATION)[1])

    def __repr__(self) -> str:
        return f"Policy({self.about.name!r}, {self.about.update:,} updates)"

    def __call__(self, observation: np.ndarray, step: int = 0) -> np.ndarray:
        """Return the actions at observations `[observation]` or `[states, observation]`, float32, in the data's bounds.

        What a method draws when it acts depends on `step` alone, so that the same step gives the same actions. Raises
        `ValueError` for observations of another shape.
        """
        given = np.asarray(observation, np.float32)
        size, padded = self.about.sizes["observation"]
        if given.ndim not in (1, 2) or given.shape[-1] != size:
            raise ValueError(
                f"{self.about.name} takes observations of shape [{size}] or [states, {size}], not {list(given.shape)}"
            )
        states = np.zeros((1, 1 if given.ndim == 1 else len(given), padded), np.float32)
        states[0, :, :size] = given
        actions = self.act(states, step)[0, :, : self.about.sizes["action"][0]]
        native = in_bounds(self.about.environment, actions)
        return native[0] if given.ndim == 1 else native

    def save(self, path: str | Path) -> None:
        """Write the policy to a `.npz` file of its own. Raises `OSError` where that cannot be written."""
        from plas_jax.evaluation.policy_files import save_policy  # noqa: PLC0415 - which reads policies, too

        save_policy(self, Path(path))

    def act(self, observation: np.ndarray, step: int) -> np.ndarray:
        """Return the actions as a sweep's evaluation does: `[1, states, padded]` both, actions within ±1."""
        moment = np.full(1, (self.about.update * self.about.horizon + step) % 2**32, np.uint32)
        acting = Acting(self._key, moment, self._knobs)
        # As in a sweep, whatever the device would rather do.
        with jax.default_matmul_precision("float32"):
            return act_runs(self.method.phase.algorithm, self._mesh, self._state, observation, acting)


def in_bounds(environment: Environment, action: np.ndarray) -> np.ndarray:
    """Return actions within ±1 as the environment takes them, float32 of the same shape."""
    if environment.action_low is None or environment.action_high is None:
        return action
    low, high = np.array(environment.action_low), np.array(environment.action_high)
    share = (np.asarray(action, np.float64) + 1.0) / 2.0
    return np.clip((1.0 - share) * low + share * high, low, high).astype(np.float32)


def sized(method: Method, about: About) -> Method:
    """Return a method with the shapes that a policy's file names. Raises `ValueError` where it has others."""
    if set(about.knobs) != set(method.phase.knobs._fields):
        raise ValueError(
            f"{method.name} has the knobs {', '.join(method.phase.knobs._fields)}, not {', '.join(about.knobs)}"
        )
    last = _shaped(method.phase, about.architecture, about)
    first = None if method.first is None else _shaped(method.first, about.first_architecture, about)
    return method._replace(phase=last, first=first)


def _shaped(phase: Phase, shapes: dict[str, object], about: About) -> Phase:
    fields = phase.architecture._fields
    if set(shapes) != set(fields):
        raise ValueError(f"{about.method} has the shapes {', '.join(fields)}, not {', '.join(shapes)}")
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in shapes.items()}
    return phase._replace(architecture=phase.architecture._replace(**plain))


def sizes_of(about: About) -> Sizes:
    """Return a policy's dimensions, the true ones as int32 arrays."""
    return Sizes(**{name: Axis(jnp.int32(true), padded) for name, (true, padded) in about.sizes.items()})


def leaves_by_path(state: State) -> dict[str, Array]:
    """Return the leaves of a state by their paths, such as `policy/parameters/params/Linear_0/kernel`."""
    paths = jax.tree.leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in paths}


def acting_leaves(method: Method, sizes: Sizes) -> dict[str, jax.ShapeDtypeStruct]:
    """Return those leaves of a run's state that acting depends on, by their paths: neither optimisers nor targets."""
    shapes = state_shapes(method, sizes)[1]
    leaves, structure = leaves_by_path(shapes), jax.tree.structure(shapes)

    def act(leaves: list[jax.Array], observation: jax.Array, key: jax.Array) -> jax.Array:
        state = jax.tree.unflatten(structure, leaves)
        return actions_of(method.phase.algorithm, state, observation, key, method.phase.knobs)

    inputs = jax.ShapeDtypeStruct((1, sizes.observation.padded), np.float32), jax.eval_shape(lambda: jax.random.key(0))
    kept = export.export(jax.jit(act))(list(leaves.values()), *inputs).module_kept_var_idx
    return {name: leaf for place, (name, leaf) in enumerate(leaves.items()) if place in kept}


def state_with(method: Method, about: About, arrays: dict[str, np.ndarray]) -> State:
    """Return a run's state with these leaves, by their paths, and with zeros where acting does not look."""
    shapes = state_shapes(method, sizes_of(about))[1]

    leaves = [arrays.get(name, np.zeros(leaf.shape, leaf.dtype)) for name, leaf in leaves_by_path(shapes).items()]
    return replace(jax.tree.unflatten(jax.tree.structure(shapes), leaves), sizes=sizes_of(about))
