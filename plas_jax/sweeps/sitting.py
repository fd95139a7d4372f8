"""One sitting of a table: whatever command asked for it, data, training, evaluation and reports until it is done.

A folder holds a table; a sitting goes on with its interrupted methods and adds others.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from plas_jax.files.messages import clock
from plas_jax.methods.method import Method
from plas_jax.methods.published import METHODS
from plas_jax.results.folder import OutputFolder
from plas_jax.results.loggers import told
from plas_jax.results.manifest import Manifest
from plas_jax.results.q_rows import tidy_q_rows
from plas_jax.sweeps import data
from plas_jax.sweeps.diagnostics import DiagnosticsWriter
from plas_jax.sweeps.dry_run import rehearse
from plas_jax.sweeps.groups import Group
from plas_jax.sweeps.growth import groups_of, grow, refuse_shrinking
from plas_jax.sweeps.interruption import Interrupted, Interruption
from plas_jax.sweeps.journal import Journal
from plas_jax.sweeps.manifest import add_methods, first_manifest, has_finished, refuse_other_data
from plas_jax.sweeps.policies import BestPolicies, PolicyWriter
from plas_jax.sweeps.progress import Watch
from plas_jax.sweeps.q_errors import QErrors
from plas_jax.sweeps.request import Request
from plas_jax.sweeps.sweep import Measure, Sweep
from plas_jax.training.hosts import agreed, connect, is_first
from plas_jax.training.kept_programs import keep_programs
from plas_jax.training.layout import host_mesh, use_every_core
from plas_jax.training.method_check import refuse_unfit
from plas_jax.training.processor import peak_memory
from plas_jax.training.soundness import refuse_unsound_machine

# Writes tables and figures of the rows so far, and returns what a user reads at the end.
Report = Callable[[OutputFolder, Manifest], str]


def sit(requested: Callable[[], Request], report: Report, speaks: bool = True) -> int:
    """Train and evaluate what is requested; `report` is called after every method and at the end.

    Returns 0 when it is finished, 130 or 143 when Ctrl-C or SIGTERM stopped it at a safe point. Raises `ValueError` or
    `OSError`, one line, before anything is trained, for what cannot be done. `requested` is called once the processes
    of a run know each other, since it may ask for the time. Unless it `speaks` nothing goes to stdout.
    """
    connect()
    use_every_core(os.cpu_count() or 1)
    host_mesh(1)
    request = requested()
    folder = OutputFolder(request.output)
    # Refuses what is nowhere before the folder is made.
    data.expected_rows(request.datasets, request.preset.rows, request.data_dir)
    keep_programs()
    refuse_unsound_machine()
    if request.dry_run:
        with Watch(quiet=not is_first()) as watch:
            rehearse(request, folder, watch, print if is_first() else lambda text: None)
        return 0
    manifest = folder.claim(request)
    if manifest is not None:
        refuse_shrinking(manifest, request)
    if manifest is not None and request.retrain:
        agreed(lambda: _forget(request, folder, manifest))
    if manifest is not None and has_finished(manifest, request):
        # Made again, for the sweep may have been killed between its last row and its reports.
        text = _reported(report, folder, manifest)
        if is_first() and speaks:
            print(f"{folder.path} holds a finished sweep already\n\n{text}")
        return 0
    with Watch(quiet=not is_first()) as watch:
        try:
            with told(request.log if is_first() else (), folder, watch.say):
                status, text = _Sitting(request, folder, watch, report, is_first() and speaks).run(manifest)
        finally:
            folder.release()
    if is_first() and speaks:
        print(text or "nothing was evaluated: what updates returned is in metrics.csv")
    return status


def _forget(request: Request, folder: OutputFolder, manifest: Manifest) -> None:
    """Drop all that the folder has of the methods that are trained anew."""
    methods = {method.name: method for method in request.methods}
    for name in request.retrain:
        record = manifest.methods.pop(name, None)
        if record is not None:
            with_epsilon = {"plas+p"} if name == "plas" and "plas+p" not in manifest.methods else set()
            controls = {control for control, _ in methods[name].controls}
            folder.forget({name} | controls | with_epsilon, name, record.groups)
    folder.write_manifest(manifest)


def _reported(report: Report, folder: OutputFolder, manifest: Manifest) -> str:
    folder.merge_rows()
    tidy_q_rows(folder.q_errors)
    folder.keep_metrics()
    with folder.named():
        return report(folder, manifest) if folder.rows.exists() else ""


class _Sitting:
    """What one sitting works with: the request, its folder, what is shown and reported."""

    def __init__(self, request: Request, folder: OutputFolder, watch: Watch, report: Report, speaks: bool):
        self.request, self.folder, self.watch, self.report, self.speaks = request, folder, watch, report, speaks

    def run(self, earlier: Manifest | None) -> tuple[int, str]:
        """Train every method that was asked for and is not complete; return the status, and what a user reads last."""
        started = time.monotonic()
        request, folder, watch = self.request, self.folder, self.watch
        self._check_methods(earlier or Manifest())
        groups_of = {method.name: self._planned(method, earlier) for method in request.methods}
        shelf = self._shelf()
        described = shelf.described(list({group.datasets: None for parts in groups_of.values() for group in parts}))
        manifest = earlier or first_manifest(request, described)
        refuse_other_data(manifest, described)
        self._say_what_is_altered(described)
        add_methods(manifest, request, groups_of)
        grow(manifest, request)
        seconds = manifest.wall_seconds.get("data", 0.0) + time.monotonic() - started
        manifest.wall_seconds["data"] = round(seconds, 2)
        folder.write_manifest(manifest)
        if request.preset.name == "smoke":
            watch.say("smoke: too short to mean anything")
        table, status = "", 0
        try:
            for name in groups_of:
                if not manifest.methods[name].complete:
                    table = self._train(groups_of, name, shelf, manifest)
        except Interrupted as stop:
            table, status = "", stop.status
            watch.say(f"stopped; the same command with --output={folder.path} --resume goes on")
        if is_first() and not table:
            table = _reported(self.report, folder, manifest)
        watch.say(f"{folder.path} after {clock(time.monotonic() - started)}")
        return status, table

    def _say_what_is_altered(self, described: data.Described) -> None:
        for name, record in described.items():
            if record.altered:
                self.watch.say(
                    f"warning: {record.path} is not D4RL's {name} (sha256 {record.fingerprint[:12]}…): every table "
                    "marks it as altered"
                )

    def _check_methods(self, earlier: Manifest) -> None:
        """Ask of methods of one's own, before their first training, what every method must be."""
        for method in self.request.methods:
            is_own = method.source is not None or method.name not in METHODS
            if is_own and not earlier.method(method.name).wall_seconds:
                self.watch.say(f"{method.name}: checking what every method must be")
                refuse_unfit(method)

    def _planned(self, method: Method, earlier: Manifest | None) -> list[Group]:
        """Return a method's groups in waves that fit into memory; what is going to be done is printed."""
        parts, lines = groups_of(self.request, method, earlier)
        if self.speaks:
            # Of several methods each says what it trains, but none how many groups it has.
            print(*lines[len(self.request.methods) > 1 :], sep="\n", flush=True)
        return parts

    def _shelf(self) -> data.Shelf:
        request = self.request
        files = data.find(request.datasets, request.preset.rows, request.data_dir, self.watch.rows_made)
        return data.Shelf(files, data.Needs.for_methods(request.methods))

    def _train(self, groups_of: Mapping[str, Sequence[Group]], name: str, shelf: data.Shelf, manifest: Manifest) -> str:
        """Train those groups of a method that are not complete; return the table, made after every method."""
        folder, record = self.folder, manifest.methods[name]
        save = partial(folder.write_manifest, manifest)
        source = groups_of[name][0].method.source
        if source is not None and is_first():
            folder.keep_source(name, source.text)
        for group in groups_of[name]:
            if not record.groups[group.name].complete:
                title = partial(_titled, groups_of, name, group.name)
                journal = Journal(record, save, self.watch, title, Interruption(), self.request.overlap)
                self._train_group(group, journal, shelf.take(group.datasets), manifest)
        record.complete, record.peak_memory = True, max(record.peak_memory, peak_memory())
        save()
        return agreed(lambda: _reported(self.report, folder, manifest))

    def _train_group(self, group: Group, journal: Journal, ready: data.SweepData, manifest: Manifest) -> None:
        folder, measures = self.folder, list[Measure]()
        keep = partial(PolicyWriter, group=group, described=manifest.datasets, record=journal.record)
        diagnose = DiagnosticsWriter(folder.diagnostics, group, ready.rows)
        if self.request.q_errors:
            measures.append(QErrors(folder.q_errors, group, journal))
        with ExitStack() as stage:
            if self.request.best_policies:
                best = BestPolicies(keep(folder.best_policies), folder)
                measures.append(best.offer)
                stage.enter_context(folder.watched(best.see))
            Sweep(group, ready, folder, journal, (keep(folder.policies), diagnose), measures).run()


def _titled(groups_of: Mapping[str, Sequence[Group]], method: str, group: str, phase: str) -> str:
    """Return a phase's name as it is watched: behind its method's where there are several, or its group's."""
    if len(groups_of[method]) > 1:
        return f"{group}: {phase}"
    return phase if len(groups_of) == 1 else f"{method}: {phase}"
