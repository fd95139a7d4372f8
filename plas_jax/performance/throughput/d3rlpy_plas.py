"""d3rlpy's PLAS with perturbation, timed: a script for the Python that has d3rlpy, where plas_jax is not installed.

A conversation in lines of JSON. The first line in is the request: `rows` (an .npz file of `observations`, `actions`,
`rewards`, `timeouts`), `threads`, `seconds`, and PLAS's widths, batch size and constants. The first line out has the
versions. After that each line in asks for one line out, `updates_per_second` and `peak_memory` in bytes, until the
input ends.

Timed is what d3rlpy's `fit` does at each step, without its logs, bars and files: sample a minibatch from its replay
buffer, and update critics, policy, perturbation and targets. Its imitator's warm-up has zero steps, so that every
update is one of the actor and the critics.
"""

import json
import os
import resource
import signal
import sys
import time
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.models.encoders import VectorEncoderFactory

WARM_UP = 20  # updates: the first ones allocate


def replay_buffer(path: str) -> d3rlpy.dataset.MDPDataset:
    """Return the rows in d3rlpy's own replay buffer, as `MDPDataset` builds it from arrays."""
    with np.load(path, allow_pickle=False) as rows:
        columns = {name: rows[name] for name in ("observations", "actions", "rewards", "timeouts")}
    return d3rlpy.dataset.MDPDataset(
        **columns, terminals=np.zeros_like(columns["rewards"]), action_space=d3rlpy.ActionSpace.CONTINUOUS
    )


def algorithm(request: dict[str, Any], buffer: d3rlpy.dataset.MDPDataset) -> d3rlpy.algos.PLASWithPerturbation:
    """Return PLAS with perturbation, as wide and with the constants that are asked for, on the CPU."""
    config = d3rlpy.algos.PLASWithPerturbationConfig(
        actor_learning_rate=request["policy_learning_rate"],
        critic_learning_rate=request["critic_learning_rate"],
        actor_encoder_factory=VectorEncoderFactory(hidden_units=request["policy_widths"]),
        critic_encoder_factory=VectorEncoderFactory(hidden_units=request["critic_widths"]),
        imitator_encoder_factory=VectorEncoderFactory(hidden_units=[request["cvae_width"]] * 2),
        batch_size=request["batch_size"],
        gamma=request["discount"],
        tau=request["polyak"],
        n_critics=2,
        lam=request["clip_weight"],
        action_flexibility=request["perturbation_limit"],
        warmup_steps=0,
        # `compile_graph` is left alone: d3rlpy heeds it on CUDA devices only.
    )
    plas = config.create(device="cpu:0")
    plas.build_with_dataset(buffer)
    return plas


def train(
    plas: d3rlpy.algos.PLASWithPerturbation,
    buffer: d3rlpy.dataset.MDPDataset,
    seconds: float = float("inf"),
    updates: int = sys.maxsize,
) -> float:
    """Train, and return the updates/s over so many seconds or updates, whichever ends first."""
    done, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds and done < updates:
        plas.update(buffer.sample_transition_batch(plas.config.batch_size))
        done += 1
    return done / passed


def main() -> None:
    """Answer until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking process's to handle
    # d3rlpy logs to stdout, which is the conversation's: what it says goes to stderr instead.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.readline())
    torch.set_num_threads(request["threads"])
    d3rlpy.seed(0)
    buffer = replay_buffer(request["rows"])
    plas = algorithm(request, buffer)
    train(plas, buffer, updates=WARM_UP)
    versions = {"d3rlpy": d3rlpy.__version__, "torch": torch.__version__}
    print(json.dumps({"versions": versions}), file=answers, flush=True)
    unit = 1 if sys.platform == "darwin" else 1024
    for _ in sys.stdin:
        rate = train(plas, buffer, seconds=request["seconds"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        print(json.dumps({"updates_per_second": rate, "peak_memory": peak}), file=answers, flush=True)


if __name__ == "__main__":
    main()
