"""Readers that must refuse a file in one line, with little memory."""

import resource
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def little_memory():
    """A gigabyte of address space more than is in use."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refused(read, path, *says, kind=ValueError):
    """The one line that reading a file ends in."""
    with little_memory(), pytest.raises(kind) as error:
        read(path)
    line = str(error.value)
    assert "\n" not in line
    assert all(part in line for part in (str(path), *says)), line
    return line
