"""The page of a folder of results, or of several side by side."""

from pathlib import Path

from absl import flags

from plas_jax.commands.invocation import invoke

USAGE = """usage: plas-jax report FOLDER [FOLDER ...] [--output=FILE]

Writes one HTML file with the tables, figures, times, data and manifest of a folder of results, to be read in any
browser: it asks the network for nothing. Of several folders it shows each beside the first, and what moved."""

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", "", "The file, or its folder; default: the first folder.", flag_values=FLAGS)


def run(words: list[str]) -> int:
    """Write the page of the folders; print its path."""
    # Not at the top: SciPy's statistics take a second to load, which a refused call should not.
    from plas_jax.reports.page.document import NAME, write_page  # noqa: PLC0415
    from plas_jax.reports.page.loaded import read_folders  # noqa: PLC0415

    if not words:
        raise ValueError("name a folder of results: plas-jax report FOLDER")
    if repeated := next((word for word in words if words.count(word) > 1), None):
        raise ValueError(f"{repeated} is named twice: a folder is compared with others")
    folders = read_folders([Path(word) for word in words])
    path = Path(FLAGS.output) if FLAGS.output else folders[0].path
    path = path if path.suffix == ".html" else path / NAME
    if not path.parent.is_dir():
        raise ValueError(f"--output {path}: there is no folder {path.parent}")
    print(write_page(folders, path))
    return 0


def main() -> int:
    """Run the command; return its exit status."""
    return invoke(run, FLAGS, USAGE, takes_words=True)
