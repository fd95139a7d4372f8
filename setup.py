"""Metadata, dependencies and entry points of plas_jax. Ranges hold the versions that were tried together (BUILD.md)."""

import subprocess
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

COMMIT = Path("plas_jax", "commit.txt")


def write_commit(folder):
    """Write the commit that is built into a tree: an installed package has no repository to ask."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    here = Path(__file__).resolve().parent
    if (here / COMMIT).exists():  # of an sdist, which was made from a checkout
        commit = (here / COMMIT).read_text(encoding="utf-8")
    elif (here / ".git").exists():
        commit = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False).stdout
    else:
        return
    (Path(folder) / COMMIT).write_text(commit.strip() + "\n", encoding="utf-8")


class BuildWithCommit(build_py):
    """A wheel knows its commit; an editable install asks the checkout."""

    def run(self):
        """Build, then write the commit."""
        super().run()
        if not self.editable_mode:
            write_commit(self.build_lib)


class SourcesWithCommit(sdist):
    """An sdist knows its commit, and hands it on to the wheel that is made of it."""

    def make_release_tree(self, base_dir, files):
        """Copy the sources, then write the commit."""
        super().make_release_tree(base_dir, files)
        write_commit(base_dir)


JAX = ">=0.10.0,<0.13"
JAX += ",!=0.11.0"  # reductions of seven and eight axes crash or hang on a CPU: jax issue 39257
JAX += ",!=0.11.1"  # a small update of a large array in a loop may cost a copy of all of it: jax issue 40101
JAX += ",!=0.11.2"  # 40101 was still open, and a public suite reports wrong gradients

setup(
    cmdclass={"build_py": BuildWithCommit, "sdist": SourcesWithCommit},
    name="plas_jax",
    version="0.1.0",
    description="An offline reinforcement learning benchmark suite in JAX that runs whole tables at once: PLAS.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["plas_jax", "plas_jax.*"]),
    package_data={
        "plas_jax": ["py.typed"],
        "plas_jax.datasets": ["catalogue.csv"],
        "plas_jax.performance.accelerator": ["parameters.npz"],
        "plas_jax.recipes": ["weights/*.npz"],
        "plas_jax.reports": ["published_scores.csv"],
        "plas_jax.reports.page": ["assets/*"],
    },
    install_requires=[
        f"jax{JAX}",  # the batched computation
        "flax>=0.12.8,<0.13",  # modules and train states
        "optax>=0.2.8,<0.3",  # Adam
        "chex>=0.1.92,<0.2",  # rank contracts and trace counts
        "orbax-checkpoint>=0.12.8,<0.13",  # checkpoints of a whole sweep, written atomically
        "absl-py>=2.5,<3",  # flags of the commands
        "numpy>=2.0,<3",
        "scipy>=1.15,<2",  # Student's t, the bootstrap, trimmed means
        "mujoco>=3.4,<5",  # the physics
        "gymnasium>=1.4,<2",  # the robots' model files, and what tests compare the environments with
        "h5py>=3.16,<4",  # D4RL's files
        "requests>=2.32,<3",  # fetching them: redirects, timeouts, proxies, certificates
        "urllib3>=2.2,<3",  # requests' own transport, whose errors a resumed download tells apart
        "matplotlib>=3.11,<4",  # figures
        "rich>=15,<16",  # live progress
    ],
    extras_require={
        "cuda": [f"jax[cuda13]{JAX}"],
        "tpu": [f"jax[tpu]{JAX}"],
        # `plas-jax plan`: compilers for accelerators that are not there, without the libraries that would run on them.
        # They follow jax's own version.
        "cuda-plan": [f"jax-cuda13-plugin{JAX}"],
        "tpu-plan": [f"jax[tpu]{JAX}"],
        "export": ["flatbuffers>=24"],  # what jax.export writes
        "video": ["imageio[ffmpeg]>=2.37,<3"],  # films of episodes
        "robotics": ["gymnasium-robotics>=1.4.2,<2"],  # model files of Adroit's hand and of the kitchen, nothing else
        "minari": ["minari[hdf5]>=0.5.4,<0.6"],  # data sets in Minari's format
        # Experiment trackers for --log; none is needed.
        "logging": ["tensorboardX>=2.6.4,<3", "wandb>=0.28,<1", "trackio>=0.40,<1"],
        # The site of README.md and docs/: `make docs`. MkDocs checks links and anchors, and takes hooks (.ci/site.py).
        # Material says that it is mended until May 2027; its authors' Zensical reads mkdocs.yml but runs no plugins.
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.7,<10"],
        "test": [
            "minari[hdf5]>=0.5.4,<0.6",
            "flatbuffers>=24",
            "pandas>=2.3,<4",  # the lines of docs/results_csv.md
            "imageio[ffmpeg]>=2.37,<3",
            "build>=1.3,<2",  # the sdist and the wheel from it: pip makes wheels alone
            "pytest>=9.0,<10",
            "pytest-xdist>=3.8,<4",  # both cores: half the time
            "hypothesis>=6.150,<7",
            "playwright>=1.60,<2",  # drives the browser that the page is opened in, where there is one
            "axe-playwright-python>=0.1.7,<0.2",  # axe-core, which finds what some readers could not use
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<3",
            "types-requests>=2.32,<3",
            "gymnasium-robotics>=1.4.2,<2",
            "gymnasium[mujoco]>=1.4,<2",  # the environments that ours must equal
        ],
    },
    entry_points={
        "console_scripts": ["plas-jax=plas_jax.commands.plas_jax:main"],
    },
)
