import math
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from realbogus.errors import ConfigError, ImageError, RealBogusError
from realbogus.parallel import (
    in_background,
    map_ordered,
    map_threads,
    map_unordered,
    open_workers,
    progress,
    read_ahead,
)


def process_of(_):
    return os.getpid()


def fail(name):
    raise ImageError(f"{name}: truncated")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_gives_its_result_once(workers):
    results = map_unordered(math.factorial, range(6), workers=workers, label="test")
    assert sorted(results) == [1, 1, 2, 6, 24, 120]


def test_one_worker_stays_in_this_process():
    assert set(map_unordered(process_of, range(3), workers=1, label="test")) == {os.getpid()}


def test_more_workers_are_other_processes():
    found = set(map_unordered(process_of, range(4), workers=2, label="test"))
    assert os.getpid() not in found


@pytest.mark.parametrize("workers", [1, 2])
def test_no_items_give_no_results(workers):
    assert list(map_unordered(math.factorial, [], workers=workers, label="test")) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_comes_through_as_itself(workers):
    with pytest.raises(ImageError, match=r"^02a\.fz: truncated$"):
        list(map_unordered(fail, ["02a.fz", "02a.fz"], workers=workers, label="test"))


def test_a_worker_that_dies_is_one_line():
    with pytest.raises(RealBogusError, match="a worker process died"):
        list(map_unordered(os._exit, [1, 1], workers=2, label="test"))


@pytest.mark.parametrize("workers", [0, -1])
def test_less_than_one_worker_is_an_error(workers):
    with pytest.raises(ConfigError, match=f"must be at least 1; got {workers}"):
        list(map_unordered(math.factorial, [1], workers=workers, label="test"))


def test_progress_shows_nothing_where_there_is_no_terminal(capfd):
    assert list(progress(range(3), label="stamps", total=3)) == [0, 1, 2]
    assert capfd.readouterr().err == ""


def test_threads_give_every_result_and_see_no_stop_while_results_are_wanted():
    results = map_threads(lambda item, stop: (item, stop.is_set()), "abc", workers=2, label="test")
    assert sorted(results) == [("a", False), ("b", False), ("c", False)]


def test_no_more_threads_are_busy_than_asked_for():
    busy, most = [], []

    def wait(item, stop):
        busy.append(item)
        most.append(len(busy))
        stop.wait(0.02)
        busy.remove(item)

    list(map_threads(wait, range(12), workers=3, label="test"))
    assert max(most) == 3


def test_threads_are_told_to_stop_when_the_results_are_no_longer_wanted():
    ended = []

    def wait(item, stop):
        if item:
            ended.append(stop.wait(30))

    results = map_threads(wait, range(9), workers=2, label="test")
    next(results)
    results.close()
    assert all(ended)
    assert len(ended) < 4


def test_an_error_of_a_thread_stops_the_others_and_comes_through():
    def fail_or_wait(item, stop):
        if item == 0:
            raise ImageError("02a.fz: no space")
        assert stop.wait(30)

    with pytest.raises(ImageError, match=r"^02a\.fz: no space$"):
        list(map_threads(fail_or_wait, range(3), workers=2, label="test"))


@pytest.mark.parametrize("workers", [1, 3])
def test_ordered_results_come_in_the_order_of_the_items(workers):
    assert list(map_ordered(math.factorial, iter(range(9)), workers=workers)) == [
        math.factorial(n) for n in range(9)
    ]


@pytest.mark.parametrize(("workers", "ahead", "most"), [(1, 20, 1), (2, 0, 7), (2, 20, 21)])
def test_only_a_few_items_are_taken_ahead(workers, ahead, most):
    taken = []
    items = (taken.append(n) or n for n in range(1000))
    results = map_ordered(str, items, workers=workers, ahead=ahead)
    assert next(results) == "0"
    assert len(taken) == most
    results.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_thread_is_the_error(workers):
    with pytest.raises(ImageError, match="b: truncated"):
        list(map_ordered(fail, iter("b"), workers=workers))


def test_no_threads_are_an_error():
    with pytest.raises(ConfigError, match="at least 1; got 0"):
        list(map_ordered(str, [1], workers=0))


def die_on_three(number):
    if number == 3:
        os._exit(1)
    return number


def test_workers_are_started_once_for_many_maps():
    with open_workers(2) as workers:
        first, second = (set(workers.map(process_of, range(8))) for _ in range(2))
    assert os.getpid() not in first
    assert second <= first or len(first | second) == 2


@pytest.mark.parametrize("workers", [2, 3])
def test_an_item_that_kills_its_worker_costs_only_itself(workers):
    with open_workers(workers) as crew:
        results = list(crew.map(die_on_three, range(6), on_death=lambda number: -number))
        assert sorted(results) == [-3, 0, 1, 2, 4, 5]
        assert sorted(crew.map(die_on_three, range(3))) == [0, 1, 2]


def nap(_):
    time.sleep(0.3)


def test_workers_that_are_no_longer_wanted_stop():
    start = time.monotonic()
    with open_workers(2) as crew:
        next(crew.map(nap, range(40)))
    assert time.monotonic() - start < 5


def test_items_are_read_one_ahead_by_one_thread_that_also_ends():
    threads, taken, ended = set(), [], []

    def items():
        try:
            for number in range(5):
                threads.add(threading.get_ident())
                taken.append(number)
                yield number
        finally:
            ended.append(threading.get_ident())

    def settled(count):
        while len(taken) < count:
            time.sleep(0.001)
        time.sleep(0.02)
        return taken

    with read_ahead(items()) as found:
        assert settled(1) == [0]
        assert [next(found), next(found)] == [0, 1]
        assert settled(3) == [0, 1, 2]
    assert ended == list(threads) != [threading.get_ident()]
    with read_ahead(items()) as found:
        assert list(found) == [0, 1, 2, 3, 4]


def test_an_error_while_reading_ahead_comes_at_its_place():
    def items():
        yield 1
        raise ImageError("02a.fz: truncated")

    with read_ahead(items()) as found:
        assert next(found) == 1
        with pytest.raises(ImageError, match="truncated"):
            next(found)


def test_what_runs_in_the_background_is_not_begun_twice_and_ends_before_the_block_does():
    started, go, threads = threading.Event(), threading.Event(), []

    def work():
        started.set()
        go.wait(10)
        threads.append(threading.get_ident())

    with in_background(work) as begin:
        begin()
        assert started.wait(10)
        begin()
        assert not threads
        go.set()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_it_is_begun_again_once_it_has_ended():
    done = threading.Semaphore(0)
    with in_background(done.release) as begin:
        for _ in range(3):
            time.sleep(0.01)
            begin()
            assert done.acquire(timeout=10)
            time.sleep(0.01)


def test_a_failure_in_the_background_is_raised_by_the_next_call():
    failed = threading.Event()

    def work():
        failed.set()
        raise OSError("disk")

    went_on = False
    with pytest.raises(OSError, match="disk"), in_background(work) as begin:
        begin()
        assert failed.wait(10)
        time.sleep(0.05)
        begin()
        went_on = True
    assert not went_on


def test_a_failure_in_the_background_is_raised_at_the_end():
    def work():
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"), in_background(work) as begin:
        begin()


FAULTS = """
import resource, sys, numpy as np
from realbogus.parallel import keep_freed_memory
keep_freed_memory() if sys.argv[1] == "kept" else None
def use():
    arrays = [np.ones(200_000, np.float32) for _ in range(6)]
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_that_arrays_leave_is_kept_for_the_next_ones():
    assert platform.libc_ver()[0] == "glibc", "run the tests on Debian or Ubuntu"
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True).stdout)
        for how in ("kept", "returned")
    )
    assert kept < 500 < 10_000 < returned
