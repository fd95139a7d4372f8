"""Play saved policies: their returns and scores, and a film of one episode.

usage: plas-jax evaluate FOLDER|FILE… [--episodes=10] [--seed=0] [--environment=ID] [--method=FILE.py]
                         [--video=FILE.mp4]

FOLDER is one of a sweep, whose policies are in policies/; FILE is one of these. With the seed that a policy was trained
with, which is the default, its episodes are those of its sweep's last evaluation: the same start states, and on the
same machine the same returns. Nothing in the folder is changed.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.evaluation.policy import About
from plas_jax.evaluation.policy_files import policy_files, read_policy
from plas_jax.methods.own import own_method
from plas_jax.sweeps.progress import Watch, print_table

if TYPE_CHECKING:
    from plas_jax.evaluation.playing import Evaluation

FLAGS = flags.FlagValues()
flags.DEFINE_integer("episodes", 10, "Episodes of each policy.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_integer("seed", None, "Seed of the start states; default: the policy's.", lower_bound=0, flag_values=FLAGS)
flags.DEFINE_string("environment", "", "A robot or a Gymnasium id; default: the policy's.", flag_values=FLAGS)
flags.DEFINE_string("method", "", "The Python file of a method of one's own.", flag_values=FLAGS)
flags.DEFINE_string("video", "", "Film the first policy's first episode to this file.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Print a line for each policy; return 0."""
    if not words:
        raise flags.Error("which FOLDER or FILE? --help shows how to call it")
    if FLAGS.video:
        _draw_off_screen()
    # Not at the top: MuJoCo decides how it draws when it is imported.
    from plas_jax.evaluation.playing import environment_of, film_episode, play  # noqa: PLC0415

    own = own_method(Path(FLAGS.method).expanduser()) if FLAGS.method else None
    files = [file for word in words for file in policy_files(Path(word).expanduser())]
    lines = []
    with Watch() as watch:
        shown = watch.phase("evaluate", len(files))
        for place, file in enumerate(files):
            policy = read_policy(file, own)
            environment = environment_of(policy.about, FLAGS.environment)
            seed = policy.about.seed if FLAGS.seed is None else FLAGS.seed
            lines.append(_line(policy.about, play(policy, environment, FLAGS.episodes, seed)))
            if FLAGS.video and place == 0:
                film_episode(policy, environment, seed, Path(FLAGS.video).expanduser())
            shown.show(place + 1)
    print_table(("policy", "return", "score", "steps"), lines)
    if FLAGS.video:
        print(FLAGS.video)
    return 0


def _line(about: About, played: "Evaluation") -> list[str]:
    diverged = "" if about.diverged_at is None else f" (diverged at {about.diverged_at:,})"
    numbers = played.episode_return.mean(), played.score.mean(), played.episode_length.mean()
    return [f"{about.name}{diverged}", *(f"{number:z.1f}" for number in numbers)]


def _draw_off_screen() -> None:
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco  # noqa: F401, PLC0415
    except Exception as error:  # whatever the graphics libraries of a machine may raise
        raise ValueError(
            f"--video: MuJoCo cannot draw off screen with MUJOCO_GL={os.environ['MUJOCO_GL']} ({error}): install "
            "libEGL, or libOSMesa and set MUJOCO_GL=osmesa"
        ) from error


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
