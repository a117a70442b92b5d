"""A real Dask scheduler and real workers give the same stamps, also when one of them is killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest
from distributed import Client
from pyarrow.parquet import read_table

from realbogus.errors import ConfigError, ImageError, RealBogusError
from realbogus.parallel import open_workers
from realbogus.stages.cut_atlas import cut_atlas
from realbogus.stages.detections import score_detections
from tests.helpers import ROOT, free_port, save_untrained

NIGHTS = (58310, 58311)
WORKERS = 2


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory):
    """Start a cluster for tests that leave it as it is."""
    with cluster_in(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture
def cluster(tmp_path):
    """Start a cluster for a test that kills workers."""
    with cluster_in(tmp_path) as started:
        yield started


@contextlib.contextmanager
def cluster_in(folder):
    """Run a scheduler and two workers without nannies; give its address and the processes."""
    address = f"tcp://127.0.0.1:{free_port()}"
    common = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = ["scheduler", "--port", address.rpartition(":")[2], *common]
    worker = ["worker", address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
    with contextlib.ExitStack() as stack:
        processes = [start(stack, folder, scheduler)]
        processes += [start(stack, folder, worker) for _ in range(WORKERS)]
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=60)
        yield address, processes[1:]


@contextlib.contextmanager
def running(folder, words):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]]
    with (folder / f"{words[0]}.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def start(stack, folder, words):
    return stack.enter_context(running(folder, words))


def slow_process_of(_):
    time.sleep(0.2)
    return os.getpid()


def fail(name):
    raise ImageError(f"{name}: truncated")


def test_work_is_spread_over_the_workers_of_the_cluster(shared_cluster):
    address, processes = shared_cluster
    with open_workers(1, scheduler=address) as workers:
        found = set(workers.map(slow_process_of, range(8)))
    assert found == {process.pid for process in processes}


def test_an_error_comes_back_as_itself(shared_cluster):
    with (
        open_workers(1, scheduler=shared_cluster[0]) as workers,
        pytest.raises(ImageError, match=r"^02a\.fz: truncated$"),
    ):
        list(workers.map(fail, ["02a.fz"]))


def test_the_work_of_a_worker_that_is_killed_is_done_by_another(cluster):
    address, processes = cluster
    with open_workers(1, scheduler=address) as workers:
        results = workers.map(slow_process_of, range(20))
        first = next(results)
        victim = next(process for process in processes if process.pid != first)
        victim.send_signal(signal.SIGKILL)
        assert len([first, *results]) == 20
    assert victim.wait(10) == -signal.SIGKILL


def test_an_item_that_kills_its_workers_is_given_up(cluster):
    with open_workers(1, scheduler=cluster[0]) as workers:
        assert list(workers.map(os._exit, [1], on_death=lambda item: item + 1)) == [2]


def test_a_cluster_without_workers_is_not_waited_for(cluster, monkeypatch):
    monkeypatch.setattr("realbogus.parallel.cluster._PATIENCE", 1)
    address, processes = cluster
    with (
        open_workers(1, scheduler=address) as workers,
        pytest.raises(RealBogusError, match="the cluster has lost all of its workers"),
    ):
        for _ in workers.map(slow_process_of, range(20)):
            for process in processes:
                process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("stamp_format", ["files", "cube"])
def test_stamps_of_a_cluster_are_those_of_this_machine(
    shared_cluster, survey, tmp_path, stamp_format
):
    options = {"nights": NIGHTS, "stamp_format": stamp_format}
    cut_atlas(survey, location=tmp_path / "here", stamp_threads=1, **options)
    cut_atlas(survey, location=tmp_path / "there", scheduler=shared_cluster[0], **options)
    here, there = (contents(tmp_path / name) for name in ("here", "there"))
    assert len(here) > 7
    assert here == there


def test_scores_of_a_cluster_are_those_of_this_machine(shared_cluster, survey, tmp_path):
    model = save_untrained(tmp_path / "model.h5")
    # In folders of their own, for what lies beside an output is compared with it.
    here, there = (tmp_path / name / "d.parquet" for name in ("here", "there"))
    for output, options in ((here, {"workers": 1}), (there, {"scheduler": shared_cluster[0]})):
        given = {"config_file": survey, "classifiers": [str(model)], **options}
        score_detections(NIGHTS, output=output, **given)
    assert read_table(here).num_rows > 300
    assert here.read_bytes() == there.read_bytes()


def test_a_worker_killed_half_way_through_a_night_changes_nothing(cluster, survey, tmp_path):
    address, processes = cluster
    killer = Thread(target=kill_at_the_first_list, args=(tmp_path / "there", processes[0]))
    killer.start()
    for place, options in (("here", {"stamp_threads": 1}), ("there", {"scheduler": address})):
        cut_atlas(survey, nights=NIGHTS, location=tmp_path / place, **options)
    killer.join()
    assert processes[0].wait(10) == -signal.SIGKILL
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def kill_at_the_first_list(folder, process):
    deadline = time.monotonic() + 60
    while not list(folder.glob("exposures/*.txt")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)


def contents(folder):
    """Give all files but those that a killed process did not finish, which are hidden."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("[!.]*")
        if path.is_file()
    }


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "host", "smtp://host:1"])
def test_an_address_that_does_not_answer_is_one_line(address, monkeypatch):
    monkeypatch.setattr("realbogus.parallel.cluster._PATIENCE", 1)
    message = f"scheduler: no Dask scheduler answers at '{address}'"
    with pytest.raises(ConfigError, match=message), open_workers(1, scheduler=address):
        pass
