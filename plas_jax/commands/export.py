"""Write a saved policy as StableHLO, by `jax.export`.

usage: plas-jax export FILE [--output=FILE.stablehlo] [--method=FILE.py]

What is written maps float32 observations [states, observation] to actions [states, action] within ±1, on a CPU, CUDA or
TPU, for any number of states; where the method draws when it acts, it takes a uint32 seed, too. In Python:

  import jax
  act = jax.export.deserialize(open("policy.stablehlo", "rb").read())
  actions = act.call(observations)
"""

from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke
from plas_jax.evaluation.exporting import exported
from plas_jax.evaluation.policy_files import read_policy
from plas_jax.files.whole_files import whole_file
from plas_jax.methods.own import own_method

FLAGS = flags.FlagValues()
flags.DEFINE_string(
    "output", "", "Where to write; default: beside FILE, with the ending .stablehlo.", flag_values=FLAGS
)
flags.DEFINE_string("method", "", "The Python file of a method of one's own.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Write the file and print its path; return 0."""
    if len(words) != 1:
        raise flags.Error("which FILE? --help shows how to call it")
    path = Path(words[0]).expanduser()
    policy = read_policy(path, own_method(Path(FLAGS.method).expanduser()) if FLAGS.method else None)
    output = Path(FLAGS.output).expanduser() if FLAGS.output else path.with_suffix(".stablehlo")
    try:
        serialized = exported(policy).serialize()
    except ImportError as error:
        raise ValueError("to export takes flatbuffers: pip install 'plas_jax[export]'") from error
    with whole_file(output) as partial:
        partial.write_bytes(serialized)
    print(output)
    return 0


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, __doc__ or "", takes_words=True)
