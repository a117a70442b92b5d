import ctypes
import mmap
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realbogus.prefetch import prefetching
from tests.helpers import open_files


def in_memory(path):
    """Give the share of a file's pages that the system has in its memory, by mincore(2)."""
    size = path.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), size) as mapped:
        address = np.frombuffer(mapped, np.uint8).ctypes.data
        found = (ctypes.c_ubyte * pages)()
        assert not ctypes.CDLL(None).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), found)
    return np.mean(np.array(found) & 1)


def forget(path):
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@pytest.fixture
def sent(monkeypatch):
    """Remember which bytes of which files are fetched."""
    found, send = [], os.sendfile

    def remember(target, source, place, count):
        done = send(target, source, place, count)
        found.append((Path(f"/proc/self/fd/{source}").readlink().name, place, done))
        return done

    monkeypatch.setattr(os, "sendfile", remember)
    return found


def wait_until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited for ten seconds")


def test_files_are_in_memory_whole(tmp_path):
    for name, size in (("a", 3_000_000), ("b", 1), ("c", 70_001)):
        (tmp_path / name).write_bytes(os.urandom(size))
        forget(tmp_path / name)
    with prefetching(tmp_path) as prefetch:
        assert prefetch([b"a", b"b", os.fsencode(tmp_path / "c")])
        wait_until(lambda: all(in_memory(tmp_path / name) == 1 for name in "abc"))


def test_each_file_is_read_once_and_no_more_than_half_of_the_memory(tmp_path, monkeypatch, sent):
    monkeypatch.setattr("realbogus.prefetch.free_memory", lambda: 2 * 1000)
    for name, size in (("a", 600), ("b", 300), ("c", 101)):
        (tmp_path / name).write_bytes(bytes(size))
    before = open_files()
    with prefetching(tmp_path) as prefetch:
        assert prefetch([b"a"])
        assert prefetch([b"a", b"b"])
        assert not prefetch([b"a", b"c"])
        wait_until(lambda: len(sent) == 2)
    assert sorted(sent) == [("a", 0, 600), ("b", 0, 300)]
    assert open_files() == before


def test_what_is_no_file_is_passed_over(tmp_path, sent):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "last").write_bytes(b"1234")
    names = [b"pipe", b"folder", b"empty", b"missing", b"/dev/zero", b"a\0b", b"last"]
    with prefetching(tmp_path) as prefetch:
        assert prefetch(names)
        wait_until(lambda: sent)
    assert sent == [("last", 0, 4)]


def test_nobody_waits_for_files_that_nobody_wants_any_more(tmp_path, monkeypatch):
    (tmp_path / "large").write_bytes(bytes(10_000))
    begun = threading.Event()

    def send_a_little(*_):
        begun.set()
        time.sleep(0.01)
        return 1

    monkeypatch.setattr(os, "sendfile", send_a_little)
    with prefetching(tmp_path) as prefetch:
        assert prefetch([b"large"])
        assert begun.wait(10)
        start = time.monotonic()
    assert time.monotonic() - start < 5  # of a hundred
