"""What several processes agree on and put together, with the other one's part played here; test_devices starts two."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plas_jax.results import circumstances
from plas_jax.training import hosts

DEVICES = ["first's", "first's other", "second's", "second's other"]


def mesh_of(process):
    """Four devices, of which each of two processes drives two."""
    return SimpleNamespace(devices=np.array(DEVICES), size=4, local_devices=DEVICES[2 * process : 2 * process + 2])


@pytest.fixture
def process(request, monkeypatch):
    """One of two processes."""
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: request.param)
    return request.param


@pytest.mark.parametrize(("runs", "first", "second"), [(8, (0, 4), (4, 8)), (7, (0, 4), (4, 7)), (6, (0, 4), (4, 6))])
def test_processes_divide_runs_and_leave_padding_out(runs, first, second):
    parts = [hosts.own_runs(mesh_of(process), runs) for process in (0, 1)]
    assert [(part.start, part.stop) for part in parts] == [first, second]


@pytest.mark.parametrize("process", [0, 1], indirect=True)
def test_what_each_has_of_its_runs_is_joined_to_all_without_padding(process, monkeypatch):
    whole = np.arange(14, dtype=np.int64).reshape(7, 2) + 2**40  # which 32 bits do not hold
    parts = [whole[:4], np.concatenate([whole[4:], np.zeros((1, 2), np.int64)])]
    sent = []

    def gathered(own, tiled):
        assert tiled
        sent.append(own)
        return np.concatenate([part.view(np.uint8) for part in parts])

    monkeypatch.setattr(hosts.multihost_utils, "process_allgather", gathered)
    of_this = whole[hosts.own_runs(mesh_of(process), 7)]
    joined = hosts.joined(mesh_of(process), 7, {"returns": of_this})["returns"]
    np.testing.assert_array_equal(sent[0].view(np.int64), parts[process])
    np.testing.assert_array_equal(joined, whole)
    assert joined.dtype == whole.dtype


def test_one_process_gathers_nothing(monkeypatch):
    monkeypatch.setattr(hosts.multihost_utils, "process_allgather", None)
    leaves = {"device": jnp.arange(3), "host": np.arange(3)}
    assert hosts.joined(mesh_of(0), 3, leaves) is leaves
    for leaf in jax.tree.leaves(hosts.on_host(leaves)):
        assert type(leaf) is np.ndarray
        np.testing.assert_array_equal(leaf, range(3))
    assert hosts.largest(3) == 3
    assert hosts.is_first()


def refuse():
    raise FileNotFoundError("no such folder")


def never():
    pytest.fail("the other process is asked")


@pytest.mark.parametrize("process", [0], indirect=True)
def test_the_first_process_asks_and_all_have_its_answer(process, monkeypatch):
    sent = []
    monkeypatch.setattr(hosts, "_broadcast", lambda message: sent.append(message) or message)
    assert hosts.agreed(lambda: {"rows": [1, None]}) == {"rows": [1, None]}
    with pytest.raises(ValueError, match=r"^no such folder$"):
        hosts.agreed(refuse)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(hosts, "_broadcast", lambda message: sent.pop(0))
    assert hosts.agreed(never) == {"rows": [1, None]}
    with pytest.raises(ValueError, match=r"^no such folder$"):
        hosts.agreed(never)


def test_a_device_is_told_with_the_processes_that_share_it(monkeypatch):
    alone = circumstances.device()
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert circumstances.device() == f"{alone}, 2 processes"
    chips = [SimpleNamespace(platform="gpu", device_kind="NVIDIA H200")] * 3
    monkeypatch.setattr(jax, "devices", lambda: chips)
    assert circumstances.device() == "3 × NVIDIA H200, 2 processes"
    monkeypatch.setattr(jax, "process_count", lambda: 1)
    assert circumstances.device() == "3 × NVIDIA H200"
