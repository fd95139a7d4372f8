"""What a stranger's archive of arrays may do to a command: end it in one line."""

import json
import pickle
from pathlib import Path

import hostile_files
import numpy as np
import pytest
from by_subprocess import ROOT
from refusals import refused

from plas_jax.files.npz_files import read_arrays
from plas_jax.verification.parity import golden


class Touch:
    """What a pickle may do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_archives_are_refused(tmp_path):
    canary, path = tmp_path / "canary", tmp_path / "x.npz"
    np.savez(path, a=np.array([Touch(canary)], object))
    refused(read_arrays, path, "Object arrays cannot be loaded")
    hostile_files.archive(path, {"a.npy": pickle.dumps(Touch(canary))})
    refused(read_arrays, path, "cannot be read as arrays of numbers")
    path.write_bytes(pickle.dumps(Touch(canary)) + path.read_bytes())
    refused(read_arrays, path, "cannot be read as arrays of numbers")
    assert not canary.exists()
    for data in (hostile_files.header((10**12, 17)), hostile_files.header((2**63, 2**63)), b"[" * 10**5, b""):
        refused(read_arrays, hostile_files.archive(path, {"a.npy": data}), "cannot be read as arrays of numbers")
    refused(read_arrays, hostile_files.archive(path, {"a.npy": hostile_files.header((0,), "<U4")}), "of type <U4")
    refused(read_arrays, hostile_files.claiming(path, 2**32 - 2), "unpacks to 4,294,967,294 bytes")
    (tmp_path / "array.npy").write_bytes(hostile_files.header((0,)) + hostile_files.archive(path, {}).read_bytes())
    assert read_arrays(tmp_path / "array.npy") == {}


def rewritten(path, **changes):
    with np.load(ROOT / "tests" / "golden" / "plas_latent.npz") as file:
        arrays = dict(file)
    config = json.loads(arrays["config"].tobytes()) | changes.pop("config", {})
    arrays["config"] = np.frombuffer(json.dumps(config).encode(), np.uint8)
    np.savez(path, **arrays | changes)
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"config": {"latent_dim": 10**12}}, "dimensions"),
        ({"config": {"latent_dim": "6"}}, "latent_dim: '6' is not a whole number"),
        ({"config": {"tau": None}}, "tau: None is not a whole number or a number"),
        ({"batch/rewards": np.zeros(20)}, "'batch/rewards' has shape [20]"),
        ({"batch/rewards": np.zeros((0, 0))}, "'batch/rewards' has shape [0, 0]"),
        pytest.param({"vae_losses": np.zeros(20)}, "do not fit each other", marks=pytest.mark.slow),
    ],
)
def test_a_golden_file_that_claims_too_much_is_refused(tmp_path, changes, says):
    from plas_jax.verification.parity.updates import replay_updates

    def sizes(path):
        found = golden.read(path)
        found.sizes(), found.batch_size
        replay_updates(found)

    refused(sizes if "vae_losses" not in changes else lambda path: replay_updates(golden.read(path)),
            rewritten(tmp_path / "x.npz", **changes), says, kind=golden.BadGoldenFileError)  # fmt: skip
