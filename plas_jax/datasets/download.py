"""One published file over HTTP: resumed as often as it takes, verified, and put in place whole or not at all."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import responses
from pathlib import Path
from typing import BinaryIO, NamedTuple

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from plas_jax.files import whole_files

PLAIN = {"Accept-Encoding": "identity"}  # a length or an offset counts the file's bytes, not those of its compression
PIECE = 1 << 18  # bytes taken from the connection at once, at most
REPORT_EVERY = 0.25  # seconds


class DownloadError(OSError):
    """One line: the address, what went wrong, and where the file belongs if it is got by hand."""


class _Interrupted(Exception):  # noqa: N818 (no error yet: another try may get further)
    """Why a try ended early, in words."""


class Published(NamedTuple):
    """A file as its publisher has it: where, how many bytes, with which hash in hexadecimal, "" if none is known."""

    url: str
    size: int
    sha256: str


class Patience(NamedTuple):
    """How long to wait for a server."""

    timeout: float = 30.0  # seconds without headway that end a try
    attempts: int = 5  # tries in a row that come to nothing and are the end
    pause: float = 1.0  # seconds between tries, and as many more for each that came to nothing


class _Wanted(NamedTuple):
    """A published file, where it goes, and how patiently to ask for it."""

    url: str
    size: int
    sha256: str
    path: Path
    progress: Callable[[int], None]
    patience: Patience

    @property
    def partial(self) -> Path:
        """Return where the bytes gather; the same for every call, so that a later one finds them."""
        return self.path.with_name(f".{self.path.name}.partial")

    @property
    def headway(self) -> int:
        """Return how many bytes count as progress: an endless trickle must not pass for it."""
        return max(1, min(1 << 14, self.size // 100))

    def fault(self, cause: str) -> DownloadError:
        """Return the error that ends the download."""
        by_hand = f"if you get it by hand, put it in {self.path.parent} as {self.path.name}"
        return DownloadError(f"cannot download {self.url}: {cause}; {by_hand}")

    def is_there(self) -> bool:
        """Tell whether the whole file is in place; `DownloadError` when something else is."""
        if not os.path.lexists(self.path):
            return False
        is_file = self.path.is_file() and self.path.stat().st_size == self.size
        if is_file and self.is_sound(self.path):
            return True
        raise self.fault(f"{self.path} is another file, which is left as it is: move it away first")

    def is_sound(self, path: Path) -> bool:
        """Tell whether a file of the right size has the published hash, as far as one is known."""
        return not self.sha256 or whole_files.sha256(path) == self.sha256


PATIENCE = Patience()


def download(
    published: Published,
    path: Path,
    progress: Callable[[int], None] = lambda received: None,
    patience: Patience = PATIENCE,
) -> Path:
    """Download a file to `path` unless it is there already; return `path`.

    A connection that drops, or brings less than a hundredth of the file (16 KiB at most) in `timeout` seconds, is taken
    up from the bytes already there, after a pause; `attempts` tries in a row that bring less than that between them are
    the end. A server's headers have no such floor: they may trickle in.
    `progress` is called with the bytes there so far, four times a second at most, and with `size` at the end.

    Raises `DownloadError`, an `OSError` of one line, and leaves nothing behind: when the server refuses (4xx) or offers
    another file, when attempts or disk run out, while another process is at it, and when `path` is another file, which
    is never overwritten. Ctrl-C or a kill leaves `.<name>.partial` beside `path`, and the next call goes on from it.
    """
    url, size, sha256 = published
    wanted = _Wanted(url, size, sha256.lower(), Path(path), progress, patience)
    try:
        if wanted.is_there():
            # An interrupted call may have left its bytes before the file was got by hand.
            with suppress(OSError):
                wanted.partial.unlink()
        else:
            with _gathering(wanted) as file:
                _complete(wanted, file)
    except DownloadError:
        raise
    except OSError as error:
        raise wanted.fault(error.strerror or str(error)) from error
    progress(size)
    return wanted.path


@contextmanager
def _gathering(wanted: _Wanted) -> Iterator[BinaryIO]:
    """Yield the partial file, locked and at its end; removed on an error inside, not on an interruption."""
    with wanted.partial.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise wanted.fault("another process is downloading it") from error
        if not os.path.samestat(os.fstat(file.fileno()), wanted.partial.stat()):
            raise wanted.fault("another process was downloading it until just now")
        try:
            yield file
        except OSError:
            wanted.partial.unlink(missing_ok=True)
            raise


def _complete(wanted: _Wanted, file: BinaryIO) -> None:
    """Fetch what the partial file lacks, verify it and put it in place; once more from nothing if pieces misfit."""
    for last in (False, True):
        whole = _fetch(wanted, file)
        os.fsync(file.fileno())
        if wanted.is_sound(wanted.partial):
            wanted.is_there()  # refuses a file that was put there in the meantime
            wanted.partial.replace(wanted.path)
            return
        if whole or last:
            raise wanted.fault("what arrived has the right size but not the right SHA-256")
        file.truncate(file.seek(0))


def _fetch(wanted: _Wanted, file: BinaryIO) -> bool:
    """Append what is missing, in as many requests as it takes; return whether one reply brought the whole file."""
    start, mark, idle = None, file.tell(), 0
    while file.tell() < wanted.size:
        try:
            with _ask(wanted, file.tell()) as reply:
                start = _start(wanted, file, reply)
                _receive(wanted, file, reply)
            cause = "the connection ended early"
        except _Interrupted as interruption:
            cause = str(interruption)
        if file.tell() == wanted.size:
            break
        idle += 1
        # The mark never goes back, so that a server that makes every try start over ends in an error.
        if file.tell() >= mark + wanted.headway:
            mark, idle = file.tell(), 0
        if idle >= wanted.patience.attempts:
            raise wanted.fault(f"{cause} (given up after {idle} attempts)")
        time.sleep(wanted.patience.pause * (1 + idle))
    return start == 0


def _ask(wanted: _Wanted, start: int) -> requests.Response:
    """Return the reply to a request for the bytes from `start` on, its body not read yet."""
    headers = PLAIN | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return requests.get(wanted.url, headers=headers, stream=True, timeout=wanted.patience.timeout)
    except requests.Timeout as error:
        raise _Interrupted(f"the server did not answer for {wanted.patience.timeout:g} s") from error
    except requests.TooManyRedirects as error:
        raise wanted.fault("its redirects go on for ever") from error
    except ValueError as error:  # how requests and urllib3 report a bad address or scheme
        raise wanted.fault("the address, or one that it redirects to, is not valid") from error
    except (requests.RequestException, HTTPError) as error:
        raise _Interrupted("the server could not be reached") from error


def _start(wanted: _Wanted, file: BinaryIO, reply: requests.Response) -> int:
    """Cut the partial file to the offset of a reply's first byte and return it; `DownloadError` for a useless reply."""
    status, start = reply.status_code, file.tell()
    answer = answered(reply)
    if status >= 500:
        raise _Interrupted(answer)
    if status == 416 and start:
        file.truncate(file.seek(0))
        raise _Interrupted(answer)
    if status not in (200, 206):
        raise wanted.fault(answer)
    if reply.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise wanted.fault("the server sends it compressed, though asked not to")
    span, _, total = reply.headers.get("Content-Range", "").partition("/")
    offered = reply.headers.get("Content-Length", "") if status == 200 else total
    if offered not in ("", "*", str(wanted.size)):
        raise wanted.fault(f"the server offers {offered} bytes, not the {wanted.size} that were published")
    if status == 206 and span.startswith(f"bytes {start}-"):
        return start
    file.truncate(file.seek(0))
    if status == 206:
        raise _Interrupted("the server sent another part than was asked for")
    return 0


def answered(reply: requests.Response) -> str:
    """Say what a server answered, by the status of its reply."""
    return f"the server answered {reply.status_code} {responses.get(reply.status_code, '')}".rstrip()


def _receive(wanted: _Wanted, file: BinaryIO, reply: requests.Response) -> None:
    """Append a reply's body as it arrives."""
    timeout = wanted.patience.timeout
    silence = f"less than {wanted.headway} bytes came in {timeout:g} s"
    mark, deadline, report = file.tell(), time.monotonic() + timeout, 0.0
    while True:
        missing = wanted.size - file.tell()
        try:
            # One byte more than is missing shows a body that is too long; read() would lose a broken one's last bytes.
            piece = reply.raw.read1(min(PIECE, missing + 1))
        except ReadTimeoutError as error:
            raise _Interrupted(silence) from error
        except HTTPError as error:
            raise _Interrupted("the connection dropped") from error
        if not piece:
            return
        if len(piece) > missing:
            raise wanted.fault(f"the server sends more than the {wanted.size} bytes that were published")
        file.write(piece)
        file.flush()
        now = time.monotonic()
        if now >= report:
            wanted.progress(file.tell())
            report = now + REPORT_EVERY
        if file.tell() >= mark + wanted.headway:
            mark, deadline = file.tell(), now + timeout
        elif now > deadline:
            raise _Interrupted(silence)
