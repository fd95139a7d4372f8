"""What the flags of score_regression ask for, checked before anything is trained."""

from pathlib import Path
from typing import NamedTuple

from absl.flags import FlagValues

from plas_jax.datasets.catalogue import Dataset
from plas_jax.methods.method import Method
from plas_jax.methods.scales import GATE, SMOKE, ScorePreset
from plas_jax.results.folder import output_folder
from plas_jax.sweeps.flag_values import datasets_of_flag, published, seeds_of_flags, words
from plas_jax.verification.gate import replays
from plas_jax.verification.gate.runs import VISIT_STEPS
from plas_jax.verification.parity.golden import Golden

PRESETS = {preset.name: preset for preset in (SMOKE, GATE)}
# One of each kind: short episodes, a mixture of policies, and episodes that only a time limit ends.
DATASETS = ("hopper-medium-r1", "walker2d-medium-replay-r1", "halfcheetah-medium-expert-r1")
ALGORITHMS = ("bc", "bcq", "plas", "plas+p")
PERTURBATION_LIMIT = 0.1  # ε of plas+p
# Accepted seeds and those of a check are apart, so that an unchanged program is compared with other runs of itself.
ACCEPTED_SEEDS, FIRST_ACCEPTED_SEED = 40, 0
CHECKED_SEEDS, FIRST_CHECKED_SEED = 10, 1000
FOLDER = Path("benchmarks") / "accepted"


class GateRequest(NamedTuple):
    """What is trained, and what is done with it."""

    preset: ScorePreset
    methods: tuple[Method, ...]  # at the preset's size
    datasets: tuple[Dataset, ...]
    seeds: tuple[int, ...]
    accepted: Path
    reason: str  # why the values are accepted; empty for a check
    data_dir: str | None
    output: Path
    golden: tuple[Golden, ...] = ()  # what is replayed beside the training
    dynamics: str = "d4rl"

    def suite(self) -> dict[str, object]:
        """Return what decides the values of every method, as it stands in an accepted file."""
        preset = self.preset
        return {
            "preset": preset.name,
            "scale": None if preset.scale is None else preset.scale._asdict(),
            "rows": preset.rows,
            "episodes": preset.episodes,
            "horizon": preset.horizon,
            "visit_steps": VISIT_STEPS,
            "dynamics": self.dynamics,
        }


def request(flags: FlagValues) -> GateRequest:
    """Return the request of these flags. Raises `ValueError` or `OSError`, one line that says what is wrong."""
    reason = flags.reason.strip()
    if flags.accept and not reason:
        raise ValueError("--accept needs a --reason: why the scores may be other than they were")
    if reason and not flags.accept:
        raise ValueError("--reason says why results are accepted: it needs --accept")
    if reason and flags.golden:
        raise ValueError("--golden is for a check: with --accept nothing is replayed")
    preset = PRESETS[flags.preset]
    names = words("--algorithms", flags.algorithms, ",".join(ALGORITHMS))
    count, first = (ACCEPTED_SEEDS, FIRST_ACCEPTED_SEED) if flags.accept else (CHECKED_SEEDS, FIRST_CHECKED_SEED)
    return GateRequest(
        preset=preset,
        methods=tuple(preset.method(method) for method in _methods(names)),
        datasets=datasets_of_flag(flags.datasets, list(DATASETS)),
        seeds=seeds_of_flags(
            str(count if flags.seeds is None else flags.seeds), first if flags.first_seed is None else flags.first_seed
        ),
        accepted=Path(flags.accepted) if flags.accepted else FOLDER / f"{preset.name}.json",
        reason=reason,
        data_dir=flags.data_dir,
        output=output_folder(flags.output, "score_regression"),
        golden=() if flags.accept else _golden(flags.golden, preset),
    )


def _golden(folder: str, preset: ScorePreset) -> tuple[Golden, ...]:
    """Return the golden files of a folder; smoke, which decides nothing, has none of its own accord."""
    if folder:
        return replays.golden_files(Path(folder))
    return replays.golden_files(replays.FOLDER) if preset is GATE and replays.FOLDER.is_dir() else ()


def _methods(names: list[str]) -> list[Method]:
    """Return the methods of these names. PLAS and PLAS+P are one, so that they share a CVAE as in every table."""
    known = {"plas": 0.0, "plas+p": PERTURBATION_LIMIT}
    limits = tuple(known[name] for name in known if name in names)
    methods: list[Method] = []
    for name in names:
        method = published(name)
        if name not in known:
            methods.append(method)
        elif not any(each.name == "plas" for each in methods):
            # The prior's own evaluation is left out: what it would say, the CVAE's measures say.
            methods.append(published("plas")._replace(grid=(("perturbation_limit", limits),), controls=()))
    return methods
