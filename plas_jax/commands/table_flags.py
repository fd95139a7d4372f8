"""The flags that every table command has."""

from collections.abc import Iterable

from absl import flags

from plas_jax.environments.d4rl_dynamics import DYNAMICS


def table_flags(presets: Iterable[str], default: str, datasets: str, resume: str) -> flags.FlagValues:
    """Return a table command's own flags; `datasets` and `resume` say what these two do there."""
    values = flags.FlagValues()
    flags.DEFINE_enum("preset", default, list(presets), "How long and how wide.", flag_values=values)
    flags.DEFINE_string("datasets", "", f"Names with commas between them; default: {datasets}.", flag_values=values)
    flags.DEFINE_string("seeds", "3", "How many seeds, or which, as in 0,1,5.", flag_values=values)
    flags.DEFINE_integer("first_seed", 0, "The first of so many.", flag_values=values)
    flags.DEFINE_multi_string(
        "set", [], "A size or constant, as in episodes=20; of a knob several: clip_weight=0.75,1.", flag_values=values
    )
    flags.DEFINE_string(
        "data_dir", None, "Folder of data; default: D4RL_DATASET_DIR, ~/.d4rl/datasets.", flag_values=values
    )
    flags.DEFINE_string("output", "", "Folder of results; default: a new one under results/.", flag_values=values)
    flags.DEFINE_boolean("resume", False, resume, flag_values=values)
    flags.DEFINE_string("retrain", "", "With --resume, methods whose rows are dropped first.", flag_values=values)
    flags.DEFINE_enum("dynamics", "d4rl", sorted(DYNAMICS), "Whose dynamics to evaluate in.", flag_values=values)
    flags.DEFINE_boolean(
        "q_errors", False, "Also write how far critics are off to q_errors.csv (Figure 5).", flag_values=values
    )
    flags.DEFINE_string(
        "log", "", "Trackers to tell of every evaluation: tensorboard,wandb,trackio.", flag_values=values
    )
    flags.DEFINE_boolean(
        "overlap", None, "Evaluate beside training; default: where there is an accelerator.", flag_values=values
    )
    flags.DEFINE_boolean(
        "best_policies", False, "Also keep the policies of each run's best evaluation.", flag_values=values
    )
    flags.DEFINE_boolean("dry_run", False, "Tell what would be made, and the time; make nothing.", flag_values=values)
    return values
