"""Processes that measure a rate each and take turns at it.

Every figure has a process of its own, so that its peak memory is its own and its cores are divided into devices as it
asks. They take turns so that on a noisy machine all of them see the same noise.
"""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from plas_jax.performance.throughput.cases import OURS, Case, first_batch, method_of
from plas_jax.performance.throughput.peer_training import training_peer
from plas_jax.training.balance import run_balanced
from plas_jax.training.chunk import Span
from plas_jax.training.layout import run_mesh, use_every_core
from plas_jax.training.phases import compile_only
from plas_jax.training.processor import peak_memory

PRODUCT = "product"
PRODUCT_SIZES = (1024, 1536, 2048)
# What a measuring process does: figures, again and again; the first one tells that it is ready.
Rates = Callable[[], Iterator[object]]


class Figures(NamedTuple):
    """What a process has measured: rates by round in updates/s (FLOP/s of a product)."""

    case: Case
    compile_seconds: float | None  # None where nothing is compiled
    rates: list[float]
    peak_memory: int  # bytes, set-up included


class Answering(Protocol):
    """A process at the other end: first it says how long it compiled, and after each message a rate, with its peak."""

    def send(self, question: None, /) -> None:
        """Ask for the next rate."""

    def recv(self) -> Any:
        """Return the next answer: a figure, and the peak memory so far in bytes. Raises `EOFError` if it has died."""


def training_rates(case: Case, seconds: float) -> Iterator[float]:
    """Yield the seconds that compiling took, then run-updates/s of chunks of about `seconds`, for ever."""
    mesh, algorithm = run_mesh(case.runs), method_of(case.algorithm, case.widths).phase.algorithm
    batch, runs, transitions = first_batch(case, mesh)
    started = time.perf_counter()
    batch = compile_only(algorithm, mesh, batch, runs, transitions)
    yield time.perf_counter() - started

    def advance(span: Span[int]) -> None:
        nonlocal batch
        batch, _ = jax.block_until_ready(run_balanced(algorithm, mesh, batch, runs, transitions, span))

    yield from rates_of(advance, case.runs, seconds)


def rates_of(advance: Callable[[Span[int]], None], runs: int, seconds: float) -> Iterator[float]:
    """Yield run-updates/s of chunks of about `seconds`, for ever; `advance` makes the updates of so many runs."""
    update, length = 0, 1
    while True:
        started = time.perf_counter()
        advance(Span(update, update + length))
        passed = time.perf_counter() - started
        # The first chunk after compiling tells little, and what is much shorter than asked is a guess at a length.
        if update > 0 and passed > seconds / 2:
            yield runs * length / passed
        update += length
        length = max(1, min(8 * length, round(length * seconds / passed)))


def product_rates(seconds: float) -> Iterator[float]:
    """Yield the seconds that compiling took, then the best rate of float32 products in `seconds`, FLOP/s, for ever."""
    product = jax.jit(jnp.matmul)
    generator = np.random.default_rng(0)
    factors = [jnp.asarray(generator.standard_normal((size, size), np.float32)) for size in PRODUCT_SIZES]
    started = time.perf_counter()
    jax.block_until_ready([product(factor, factor) for factor in factors])
    yield time.perf_counter() - started
    while True:
        best, end = 0.0, time.perf_counter() + seconds
        while not best or time.perf_counter() < end:
            for factor in factors:
                started = time.perf_counter()
                product(factor, factor).block_until_ready()
                best = max(best, 2 * len(factor) ** 3 / (time.perf_counter() - started))
        yield best


def answer(connection: Connection, rates: Rates, devices: int, cache: str) -> None:
    """Live as a measuring process: set up, then send one figure for each question until nobody listens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking process's to handle
    use_every_core(devices)
    jax.config.update("jax_compilation_cache_dir", cache)
    try:
        for rate in rates():
            connection.send((rate, peak_memory()))
            connection.recv()
    except (EOFError, BrokenPipeError):
        pass


@contextmanager
def measuring(rates: Rates, devices: int, cache: str) -> Iterator[Connection]:
    """Start a process of so many devices, which sends a figure of `rates` first and after each message.

    What it compiles is looked for and kept in the folder `cache`, and nowhere else.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=answer, args=(theirs, rates, devices, cache), daemon=True)
    process.start()
    theirs.close()  # else the death of the process would go unnoticed
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


@contextmanager
def starting_cold(rates: Rates, devices: int) -> Iterator[Connection]:
    """Do as `measuring`, with an empty compilation cache."""
    with TemporaryDirectory(prefix="throughput-") as cache, measuring(rates, devices, cache) as connection:
        yield connection


def training(case: Case, seconds: float) -> AbstractContextManager[Answering]:
    """Start the process that trains a case, ours or a peer's."""
    if case.library == OURS:
        return starting_cold(partial(training_rates, case, seconds), case.devices)
    return training_peer(case, seconds)


def figure(connection: Answering, case: Case) -> tuple[Any, int]:
    """Return the next figure of a measuring process and its peak memory so far. Raises `OSError` if it has died."""
    try:
        return connection.recv()
    except EOFError:
        raise OSError(f"the process that measures {case.algorithm}, {case.runs} runs, died: memory?") from None


def figures_by_round(connection: Answering, case: Case, rounds: int) -> list[tuple[Any, int]]:
    """Return the figures of so many rounds of a process that measures alone, once it is ready."""
    figure(connection, case)
    figures = []
    for _ in range(rounds):
        connection.send(None)
        figures.append(figure(connection, case))
    return figures


def measured(groups: list[list[Case]], seconds: float, rounds: int) -> Iterator[list[Figures]]:
    """Measure for each group the product and every case `rounds` times, in turns; the product's figures come first.

    The product's process stays for all groups, those of a group for that group. While one works the others wait.
    """
    product = Case(PRODUCT, "", 1, 1)
    with starting_cold(partial(product_rates, seconds), product.devices) as product_connection:
        compiled, _ = figure(product_connection, product)
        for cases in groups:
            with ExitStack() as stack:
                connections: list[Answering] = [product_connection]
                all_figures = [Figures(product, compiled, [], 0)]
                for case in cases:  # one after another, since compiling is timed too
                    connections.append(stack.enter_context(training(case, seconds)))
                    all_figures.append(Figures(case, figure(connections[-1], case)[0], [], 0))
                for _ in range(rounds):
                    all_figures = [with_a_round(*both) for both in zip(connections, all_figures, strict=True)]
            yield all_figures


def with_a_round(connection: Answering, so_far: Figures) -> Figures:
    """Return the figures of a process with those of one more round."""
    connection.send(None)
    rate, peak = figure(connection, so_far.case)
    return so_far._replace(rates=[*so_far.rates, rate], peak_memory=peak)
