"""Films as files: the one module that knows imageio, which is an extra."""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from plas_jax.files.messages import one_line
from plas_jax.files.whole_files import whole_file

EXTRA = "pip install 'plas_jax[video]'"


def write_video(path: Path, pictures: Iterable[np.ndarray], pictures_per_second: float) -> int:
    """Write pictures, uint8 `[height, width, 3]`, to a file of the format that its ending names; return how many.

    Raises `ValueError`, one line, where imageio is not installed or knows no such ending.
    """
    try:
        import imageio.v2 as imageio  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(f"a video needs imageio: {EXTRA}") from error
    count = 0
    with whole_file(path) as partial:
        # imageio goes by the ending.
        named = partial.with_name(f"{partial.name}{path.suffix}")
        try:
            with warnings.catch_warnings(), imageio.get_writer(named, fps=pictures_per_second) as writer:
                # imageio starts ffmpeg by a fork, in which JAX does nothing.
                warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
                for count, picture in enumerate(pictures, 1):  # noqa: B007
                    writer.append_data(picture)  # type: ignore[attr-defined]
            named.replace(partial)
        except (ImportError, RuntimeError, ValueError, OSError) as error:
            advice = f"give it the ending .mp4, or {EXTRA}"
            raise ValueError(f"{path} cannot be written as a video ({one_line(error, 200)}): {advice}") from error
        finally:
            named.unlink(missing_ok=True)
    return count
