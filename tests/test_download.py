"""A download against a server with every fault: a whole verified file, or one line and an empty folder."""

import contextlib
import gzip
import hashlib
import os
import random
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plas_jax.datasets import download as module
from plas_jax.datasets.download import DownloadError, Patience, Published, download

BODY = random.Random(0).randbytes(300_000)
SIZE, SHA256 = len(BODY), hashlib.sha256(BODY).hexdigest()
HALF = SIZE // 2
FLIPPED = BODY[:9] + bytes([BODY[9] ^ 1]) + BODY[10:]


class Reply(BaseHTTPRequestHandler):
    """Answers with the server's next fault; what was asked and which bytes went out is kept on the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        if self.path in REDIRECTS:
            self.head(302, Location=REDIRECTS[self.path])
            return
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        assert self.headers["Accept-Encoding"] == "identity"
        faults = self.server.faults
        fault = faults.pop(0) if len(faults) > 1 else faults[0]
        if len(self.server.ranges) > 60:
            fault = "404"  # a client that never gives up must fail its test, not hang it
        FAULTS[fault](self, int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0)

    def head(self, status, **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def found(self, start, body=BODY, **fields):
        """The head of an honest reply with the bytes from `start` on."""
        if start:
            fields = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} | fields
        self.head(206 if start else 200, **{"Content_Length": len(body) - start} | fields)

    def send(self, start, stop, body=BODY):
        self.wfile.write(body[start:stop])
        self.server.sent.append((start, stop))

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    def __init__(self, faults):
        super().__init__(("127.0.0.1", 0), Reply)
        self.faults, self.ranges, self.sent, self.closing = list(faults), [], [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/data/file.hdf5"

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(*faults):
    """A server whose requests meet these faults in turn, the last one for ever."""
    with Server(faults) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()


REDIRECTS = {
    "/chain": "/chain/2",
    "/chain/2": "chain/3",
    "/chain/chain/3": "/data/file.hdf5",
    "/chain/3": "/data/file.hdf5",
    "/loop": "/loop/back",
    "/loop/back": "/loop",
    "/scheme": "file:///etc/passwd",
    "/garbled": "http://[::1/file",
}


def whole(reply, start):
    reply.found(start)
    reply.send(start, SIZE)


def truncated(reply, start):
    reply.found(start)
    reply.send(start, (start + SIZE) // 2)


def truncated_anew(reply, start):
    reply.found(0)
    reply.send(0, HALF)


def reset(reply, start):
    reply.found(start)
    reply.send(start, (start + SIZE) // 2)
    reply.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reply.connection.close()


def flipped(reply, start):
    reply.found(start)
    reply.send(start, SIZE, FLIPPED)


def flipped_and_truncated(reply, start):
    reply.found(start)
    reply.send(start, (start + SIZE) // 2, FLIPPED)


def stalled(reply, start):
    reply.found(start)
    reply.send(start, (start + SIZE) // 2)
    reply.server.closing.wait(5)


def silent(reply, start):
    reply.server.closing.wait(5)


def dripping(reply, start):
    reply.found(start)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and not reply.server.closing.wait(0.02):
        reply.send(start, start := start + 1)


def slow_but_steady(reply, start):
    reply.found(start)
    while start < SIZE and not reply.server.closing.wait(0.02):
        reply.send(start, start := start + 6_000)


def last_bytes_late(reply, start):
    reply.found(start)
    reply.send(start, SIZE - 5)
    reply.server.closing.wait(0.05)
    reply.send(SIZE - 5, SIZE)


def unranged(reply, start):
    whole(reply, 0)


def refused_range(reply, start):
    if start:
        reply.head(416, Content_Range=f"bytes */{SIZE}", Content_Length=0)
    else:
        truncated(reply, 0)


def refused_from_the_start(reply, start):
    reply.head(416, Content_Length=0)


def other_part(reply, start):
    reply.found(start, **({"Content_Range": f"bytes 7-{SIZE - 1}/{SIZE}"} if start else {}))
    reply.send(start, SIZE)


def endless(reply, start):
    reply.close_connection = True
    reply.head(200)
    while not reply.server.closing.is_set():
        reply.send(0, SIZE)


def one_byte_more(reply, start):
    reply.head(200)
    reply.send(0, SIZE)
    reply.wfile.write(b"!")


def promises_more(reply, start):
    reply.found(0, Content_Length=2 * SIZE)
    reply.send(0, SIZE)


def promises_less(reply, start):
    reply.found(start, Content_Length=(SIZE - start) // 2)
    reply.send(start, SIZE)


def unmeasured(reply, start):
    reply.head(200)
    reply.send(0, SIZE)


def unmeasured_and_truncated(reply, start):
    reply.head(206 if start else 200, **({"Content_Range": f"bytes {start}-{SIZE - 1}/*"} if start else {}))
    reply.send(start, (start + SIZE) // 2)


def chunked(reply, start):
    reply.head(200, Transfer_Encoding="chunked")
    for part in (BODY[:HALF], BODY[HALF:], b""):
        reply.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))


def zipped(reply, start):
    body = gzip.compress(BODY)
    reply.head(200, Content_Encoding="gzip", Content_Length=len(body))
    reply.wfile.write(body)


def greeting(reply, start):
    reply.head(200, Content_Type="text/html", Content_Length=20)
    reply.wfile.write(b"<p>please sign in</p")


def answers(status):
    return lambda reply, start: reply.head(status, Content_Length=0)


FAULTS = {str(status): answers(status) for status in (204, 403, 404, 410, 429, 500, 503)} | {
    fault.__name__: fault
    for fault in (
        *(whole, truncated, truncated_anew, reset, flipped, flipped_and_truncated, stalled, silent, dripping),
        *(
            slow_but_steady,
            last_bytes_late,
            unranged,
            refused_range,
            refused_from_the_start,
            other_part,
            endless,
            one_byte_more,
        ),
        *(promises_more, promises_less, unmeasured, unmeasured_and_truncated, chunked, zipped, greeting),
    )
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.hdf5"


def partial(path):
    return path.with_name(f".{path.name}.partial")


def fetch(url, path, progress=lambda received: None, **how):
    patience = Patience(timeout=0.3, attempts=3, pause=0)._replace(**how)
    return download(Published(url, SIZE, SHA256), path, progress, patience)


def arrives(url, path, **how):
    """The whole file is there, alone."""
    assert fetch(url, path, **how) == path
    assert path.read_bytes() == BODY
    assert os.listdir(path.parent) == [path.name]


def is_one_line(line, url, path):
    assert "\n" not in line
    assert all(part in line for part in (url, path.name, str(path.parent)))


def fails(url, path, says="cannot download", left=(), **how):
    """One line with the address, the file and the folder, and nothing left behind."""
    with pytest.raises(DownloadError, match=says) as caught:
        fetch(url, path, **how)
    is_one_line(str(caught.value), url, path)
    assert sorted(os.listdir(path.parent)) == list(left)


# Whole files


def test_a_whole_file_is_not_asked_for_again(path):
    with serving("whole", "404") as server:
        arrives(server.url, path)
        partial(path).write_bytes(b"left by a call that was killed before the file was got by hand")
        arrives(server.url, path)
        assert server.ranges == [None]


def test_a_hash_may_be_written_in_capitals(path):
    with serving("whole") as server:
        assert download(Published(server.url, SIZE, SHA256.upper()), str(path)) == path


def test_an_empty_file_needs_no_server(path):
    download(Published("http://127.0.0.1:1/", 0, hashlib.sha256().hexdigest()), path)
    assert path.read_bytes() == b""


def test_progress_is_told_seldom_and_to_the_end(path):
    told = []
    with serving("slow_but_steady") as server:
        started = time.monotonic()
        fetch(server.url, path, told.append)
        elapsed = time.monotonic() - started
    assert told == sorted(told)
    assert told[-1] == SIZE
    assert 3 <= len(told) <= elapsed / module.REPORT_EVERY + 2


@pytest.mark.parametrize("fault", ["unranged", "unmeasured", "chunked", "slow_but_steady", "last_bytes_late"])
def test_however_it_is_sent_it_arrives(fault, path):
    with serving(fault) as server:
        arrives(server.url, path)
        assert len(server.ranges) == 1


@pytest.mark.parametrize("fault", ["truncated", "reset", "stalled", "silent", "500", "503", "unmeasured_and_truncated"])
def test_a_passing_fault_is_overcome(fault, path):
    with serving(fault, "whole") as server:
        arrives(server.url, path)
        assert len(server.ranges) == 2


def test_a_dropped_connection_is_taken_up_and_no_byte_is_sent_twice(path):
    with serving("truncated", "unmeasured_and_truncated", "stalled", "whole") as server:
        arrives(server.url, path)
    steps = [0, 150_000, 225_000, 262_500, 300_000]
    assert server.ranges == [None, "bytes=150000-", "bytes=225000-", "bytes=262500-"]
    assert server.sent == list(pairwise(steps))


def test_headway_renews_the_attempts(path):
    with serving("500", "truncated", "503", "truncated", "503", "whole") as server:
        arrives(server.url, path, attempts=2)
        assert len(server.ranges) == 6


def test_a_server_that_ignores_ranges_is_heard_from_the_start(path):
    with serving("truncated", "unranged") as server:
        arrives(server.url, path)
        assert server.sent == [(0, HALF), (0, SIZE)]


@pytest.mark.parametrize("fault", ["refused_range", "other_part"])
def test_a_range_that_is_refused_or_mistaken_is_followed_by_a_fresh_start(fault, path):
    with serving("truncated", fault, "whole") as server:
        arrives(server.url, path)
        assert server.ranges == [None, f"bytes={HALF}-", None]


def test_a_file_pieced_together_wrongly_is_fetched_afresh_once(path):
    with serving("flipped_and_truncated", "whole") as server:
        arrives(server.url, path)
        assert server.ranges == [None, f"bytes={HALF}-", None]
    path.unlink()
    with serving("flipped_and_truncated", "whole", "flipped_and_truncated", "whole") as server:
        fails(server.url, path, "SHA-256")
        assert len(server.ranges) == 4


@pytest.mark.parametrize("start", ["/chain", "/chain/3"])
def test_redirects_are_followed_also_when_going_on(start, path):
    with serving("truncated", "whole") as server:
        arrives(server.url.replace("/data/file.hdf5", start), path)
        assert server.ranges == [None, f"bytes={HALF}-"]


# Failures


@pytest.mark.parametrize(
    ("fault", "requests", "says"),
    [
        ("204", 1, "answered 204 No Content"),
        ("403", 1, "answered 403 Forbidden"),
        ("404", 1, "answered 404 Not Found"),
        ("410", 1, "answered 410 Gone"),
        ("429", 1, "answered 429"),
        ("refused_from_the_start", 1, "answered 416"),
        ("500", 3, "answered 500 Internal Server Error .given up after 3 attempts"),
        ("silent", 3, "did not answer for 0.3 s"),
        ("dripping", 3, "less than 3000 bytes came in 0.3 s"),
        ("flipped", 1, "SHA-256"),
        ("one_byte_more", 1, "more than the 300000 bytes"),
        ("endless", 1, "more than the 300000 bytes"),
        ("promises_more", 1, "offers 600000 bytes, not the 300000"),
        ("promises_less", 1, "offers 150000 bytes"),
        ("greeting", 1, "offers 20 bytes"),
        ("zipped", 1, "compressed"),
        ("truncated_anew", 4, "the connection dropped"),
        ("refused_range", 4, "answered 416|connection dropped"),
    ],
)
def test_a_lasting_fault_ends_in_one_line(fault, requests, says, path):
    with serving(fault) as server:
        fails(server.url, path, says)
        assert len(server.ranges) == requests


@pytest.mark.parametrize("fault", ["truncated", "unmeasured_and_truncated", "stalled"])
def test_a_server_that_never_gets_to_the_end_is_given_up(fault, path):
    with serving(fault) as server:
        fails(server.url, path, "given up after 2 attempts", timeout=0.1, attempts=2)
        assert 3 <= len(server.ranges) <= 20


def test_a_server_that_sends_too_much_is_stopped_at_once(path):
    most = []

    def watch(received):
        most.append(partial(path).stat().st_size)

    with serving("endless") as server:
        fails(server.url, path, progress=watch)
    assert max(most) <= SIZE


@pytest.mark.parametrize(
    ("start", "says"), [("/loop", "redirects"), ("/scheme", "not valid"), ("/garbled", "not valid")]
)
def test_a_redirect_that_leads_nowhere_is_an_error(start, says, path):
    with serving("whole") as server:
        fails(server.url.replace("/data/file.hdf5", start), path, says)
        assert server.ranges == []


@pytest.mark.parametrize("url", ["no address", "gopher://127.0.0.1/file", "http://"])
def test_an_address_that_is_none_is_an_error(url, path):
    fails(url, path, "not valid")


def test_a_refused_connection_is_tried_again_after_growing_pauses(path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    fails(f"http://127.0.0.1:{port}/file", path, "could not be reached", attempts=4, pause=0.5)
    assert pauses == [1.0, 1.5, 2.0]


def test_a_disk_that_takes_no_more_ends_in_one_line(path):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving("whole") as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, unlimited[1]))
        try:
            fails(server.url, path, "File too large")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert len(server.ranges) == 1


@pytest.mark.parametrize("folder", ["/proc", "/nowhere/at/all", __file__])
def test_a_folder_that_takes_no_file_ends_in_one_line(folder):
    path = Path(folder, "file.hdf5")
    with pytest.raises(DownloadError, match=r"No such file|Permission|Not a directory") as caught:
        fetch("http://127.0.0.1:1/data", path)
    is_one_line(str(caught.value), "http://127.0.0.1:1/data", path)
    assert str(caught.value).endswith(f"put it in {folder} as file.hdf5")


# What lies there already


@pytest.mark.parametrize("mine", [b"my own file", FLIPPED])
def test_another_file_is_never_overwritten(mine, path):
    path.write_bytes(mine)
    with serving("whole") as server:
        fails(server.url, path, "another file", left=[path.name])
        assert server.ranges == []
    assert path.read_bytes() == mine


def test_a_folder_or_a_broken_link_is_never_overwritten(path):
    path.mkdir()
    fails("http://127.0.0.1:1/", path, "another file", left=[path.name])
    path.rmdir()
    path.symlink_to("nowhere")
    fails("http://127.0.0.1:1/", path, "another file", left=[path.name])


def test_a_file_put_there_during_the_download_is_kept(path):
    with serving("whole") as server:
        fails(server.url, path, "another file", [path.name], progress=lambda received: path.write_bytes(b"mine"))
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("left", [b"x" * HALF, b"x" * SIZE, b"x" * (SIZE + 1), BODY + b"x"])
def test_a_partial_with_wrong_bytes_leads_to_a_fresh_start(left, path):
    partial(path).write_bytes(left)
    with serving("whole") as server:
        arrives(server.url, path)
        assert server.ranges == ([f"bytes={HALF}-"] if len(left) == HALF else []) + [None]


def test_a_fresh_start_happens_once(path):
    partial(path).write_bytes(BODY[:HALF])
    with serving("flipped_and_truncated", "flipped") as server:
        partial(path).write_bytes(FLIPPED[:HALF])
        fails(server.url, path, "SHA-256")
        assert server.ranges == [f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-", None]


def test_a_partial_that_is_whole_is_put_in_place(path):
    partial(path).write_bytes(BODY)
    arrives("http://127.0.0.1:1/", path)


@pytest.mark.parametrize("fault", ["404", "500"])
def test_a_failure_removes_an_earlier_partial(fault, path):
    partial(path).write_bytes(BODY[:HALF])
    with serving(fault) as server:
        fails(server.url, path)


def test_ctrl_c_keeps_the_bytes_and_the_next_call_fetches_the_rest(path):
    def interrupt(received):
        raise KeyboardInterrupt

    with serving("stalled", "whole") as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(server.url, path, interrupt)
        assert os.listdir(path.parent) == [partial(path).name]
        there = partial(path).stat().st_size
        assert 0 < there <= HALF
        arrives(server.url, path)
        assert server.ranges == [None, f"bytes={there}-"]
        assert server.sent[1:] == [(there, SIZE)]


def test_a_killed_process_leaves_its_bytes_to_the_next(path):
    program = (
        "import sys; from pathlib import Path; from plas_jax.datasets.download import Published, download\n"
        "published = Published(sys.argv[1], int(sys.argv[3]), sys.argv[4])\n"
        "download(published, Path(sys.argv[2]), lambda n: print(n, flush=True))"
    )
    with serving("stalled", "whole") as server:
        command = [sys.executable, "-c", program, server.url, str(path), str(SIZE), SHA256]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline()
            fails(server.url, path, "another process", left=[partial(path).name])
            process.kill()
        there = partial(path).stat().st_size
        arrives(server.url, path)
        assert server.ranges == [None, f"bytes={there}-"]


def test_a_second_download_of_the_file_is_refused_and_harms_nothing(path):
    refusals = []

    def again(received):
        if received < SIZE:
            fails(server.url, path, "another process", left=[partial(path).name])
            refusals.append(received)

    with serving("whole") as server:
        arrives(server.url, path, progress=again)
        assert len(server.ranges) == 1
    assert refusals


def test_a_partial_that_was_renamed_before_it_could_be_locked_is_left_alone(path, monkeypatch):
    def flock(file, how):
        partial(path).rename(path)
        partial(path).touch()

    monkeypatch.setattr(module.fcntl, "flock", flock)
    fails("http://127.0.0.1:1/", path, "until just now", left=sorted([path.name, partial(path).name]))


# Any sequence of faults


@given(faults=st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=6), left=st.binary(max_size=4))
@example(faults=["truncated", "unranged"], left=b"")
@example(faults=["flipped_and_truncated", "refused_range", "reset", "whole"], left=BODY[:1000])
@example(faults=["truncated", "other_part", "truncated_anew", "whole"], left=BODY[: SIZE - 1])
def test_whatever_happens_the_file_is_whole_or_nothing_is_left(faults, left):
    with TemporaryDirectory() as folder, serving(*faults) as server:
        path = Path(folder, "file.hdf5")
        partial(path).write_bytes(left)
        line = None
        try:
            fetch(server.url, path, timeout=0.1, attempts=2)
        except DownloadError as error:
            line = str(error)
        if line is None:
            assert path.read_bytes() == BODY
            assert os.listdir(folder) == [path.name]
        else:
            is_one_line(line, server.url, path)
            assert os.listdir(folder) == []
        assert len(server.ranges) <= 40  # the halves of `truncated`, twice
