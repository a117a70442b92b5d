"""A real server that is killed, locked, closed or wrong: one line, and nothing lost."""

import shutil
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import text

from realbogus.config import DatabaseSettings, load_config
from realbogus.database import Database, connection
from realbogus.errors import DatabaseBusyError
from realbogus.simulation import simulate
from realbogus.stages.cut_atlas import cut_atlas
from tests.helpers import ROOT, run_python
from tests.mariadb.server import PASSWORD, assert_one_line, use_account
from tests.warm import run_warm

NIGHTS = (58310, 58311)
SCRIPT = ROOT / "getATLASTrainingSetCutouts.py"


@pytest.fixture(scope="module")
def survey(server, tmp_path_factory):
    """Simulate two nights of ATLAS on that server; give the configuration."""
    config = simulate(
        tmp_path_factory.mktemp("faults") / "survey",
        nights=NIGHTS,
        exposures=3,
        size=512,
        asteroids=8,
        garbage=60,
        detections=20,
        database=server.make_database("atlas"),
    )
    return use_account(config, {**server.make_reader("atlas"), "timeout": 1})


@pytest.fixture(scope="module")
def whole(survey, tmp_path_factory):
    """Cut everything without any fault; give the folder."""
    location = tmp_path_factory.mktemp("whole")
    cut_atlas(survey, nights=NIGHTS, location=location, stamp_threads=1)
    return location


@pytest.fixture
def own(survey, tmp_path):
    """Copy the configuration, so that a test may change it; its images stay where they are."""
    shutil.copy(survey, tmp_path / "config.yaml")
    (tmp_path / "diff").symlink_to(survey.parent / "diff")
    return tmp_path / "config.yaml"


def words_of(config, location, *options):
    return [SCRIPT, config, *NIGHTS, f"--stampLocation={location}", "--stampThreads=1", *options]


def cut(config, location, *options):
    return run_warm(*words_of(config, location, *options), cwd=config.parent)


def same_lists(location, whole):
    return all(
        (location / name).read_bytes() == (whole / name).read_bytes()
        for name in ("good.txt", "bad.txt")
    )


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# The server goes away


@pytest.fixture
def many(server):
    """Make a table whose rows don't fit into any buffer on the way."""
    server.make_database("many")
    server.run(
        "CREATE TABLE numbers (seq INT PRIMARY KEY, filling CHAR(200))",
        "INSERT INTO numbers SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000",
        database="many",
    )
    server.make_reader("many")
    return DatabaseSettings(
        username="reader",
        password=PASSWORD,
        hostname="127.0.0.1",
        port=server.port,
        database="many",
    )


ALL = text("SELECT seq, filling FROM numbers ORDER BY seq")


def test_a_server_killed_in_mid_stream_is_one_line(server, many):
    with Database.connect(many) as database:
        stream = database.rows(ALL)
        next(stream)
        server.kill()
        with pytest.raises(DatabaseBusyError, match=r"^database 127.0.0.1/many: .*Lost connection"):
            list(stream)
    server.start()


def test_a_server_that_goes_after_the_last_row_costs_nothing(server, many):
    with Database.connect(many) as database:
        assert len(list(database.rows(ALL))) == 200_000
        server.kill()
    server.start()


def test_rows_are_complete_after_a_server_was_killed_in_mid_stream_and_restarted(
    server, many, caplog
):
    killed = []

    def convert(row):
        if row.seq == 20_000 and not killed:
            killed.append(True)
            server.kill()
            threading.Timer(0.5, server.start).start()
        return row.seq

    with Database.connect(many) as database:
        assert database.fetch(ALL, convert) == list(range(1, 200_001))
    assert killed
    assert "Lost connection" in caplog.text
    assert "trying again in 1 s" in caplog.text
    assert len(caplog.records) <= 3


def test_a_run_keeps_the_night_before_a_kill_and_the_next_run_adds_the_rest(
    server, own, whole, tmp_path
):
    location = tmp_path / "out"
    command = [sys.executable, *map(str, words_of(own, location))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: list(location.glob("exposures/*58310*.txt")))
    server.kill()
    _, said = process.communicate(timeout=60)
    server.start()
    assert process.returncode == 1
    assert said.splitlines()[-1] == (
        f"ERROR: 1 of 2 nights are lost: 58311; what was cut of the others is kept in {location}: "
        "run again"
    )
    assert said.count("trying again") == 3
    assert not (location / "good.txt").exists()
    before = {path: path.stat().st_mtime_ns for path in location.glob("*/*58310*")}
    assert len(before) > 6
    done = cut(own, location)
    assert done.returncode == 0, done.stderr
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    assert same_lists(location, whole)


def test_a_server_that_is_down_is_one_line_at_once(server, own, tmp_path):
    server.kill()
    begin = time.monotonic()
    done = cut(own, tmp_path / "out")
    assert time.monotonic() - begin < 8
    server.start()
    assert_one_line(done, "database 127.0.0.1/atlas: ", "Can't connect to MySQL server")


# The server is busy


def test_a_lock_that_goes_in_time_only_costs_time(server, own, whole, tmp_path):
    with server.locked("atlas_detectionsddc", database="atlas"):
        command = [sys.executable, *map(str, words_of(own, tmp_path / "out"))]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        time.sleep(5)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Lock wait timeout exceeded" in said
    assert same_lists(tmp_path / "out", whole)


def test_a_lock_that_stays_loses_the_nights_and_says_so(server, own, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(connection, "DELAYS", (0.1,))
    with (
        server.locked("atlas_diff_objects", database="atlas"),
        pytest.raises(DatabaseBusyError, match=r"^2 of 2 nights are lost: 58310, 58311; .*run"),
    ):
        cut_atlas(own, nights=NIGHTS, location=tmp_path / "out", stamp_threads=1)
    assert "night 58310 is lost: database 127.0.0.1/atlas: " in caplog.text
    assert not (tmp_path / "out" / "good.txt").exists()


def test_reading_holds_no_lock_that_others_wait_for(server, own):
    with Database.connect(load_config(own).database) as database:
        assert list(database.rows(text("SELECT id FROM atlas_metadataddc")))
        begin = time.monotonic()
        server.run("ALTER TABLE atlas_metadataddc COMMENT 'changed'", database="atlas")
        assert time.monotonic() - begin < 2


# The server refuses


def account_with(server, **changes):
    return {**server.make_reader("atlas"), "timeout": 1, **changes}


def test_a_wrong_password_is_one_line_without_it(server, own, tmp_path):
    use_account(own, account_with(server, password=f"{PASSWORD}x"))
    done = cut(own, tmp_path / "out", "--verbose")
    assert_one_line(done, "database 127.0.0.1/atlas: ", "Access denied for user 'reader'@")


def test_a_database_that_does_not_exist_is_one_line(server, own, tmp_path):
    server.run("CREATE OR REPLACE USER 'all'@'%' IDENTIFIED BY ''", "GRANT SELECT ON *.* TO 'all'")
    use_account(own, account_with(server, username="all", password="", database="none"))
    done = cut(own, tmp_path / "out")
    assert_one_line(done, "database 127.0.0.1/none: ", "Unknown database 'none'")


def test_an_account_without_rights_is_one_line(server, own, tmp_path):
    server.run(
        "CREATE OR REPLACE USER 'blind'@'%' IDENTIFIED BY ''",
        "GRANT SELECT ON atlas.tcs_detection_lists TO 'blind'",
    )
    use_account(own, account_with(server, username="blind", password=""))
    done = cut(own, tmp_path / "out")
    assert_one_line(done, "SELECT command denied to user 'blind'@", "atlas_metadataddc")


def test_a_missing_column_is_one_line(server, own, tmp_path):
    server.make_database("old")
    for table in ("atlas_metadataddc", "atlas_detectionsddc", "atlas_diff_objects"):
        copy = f"CREATE TABLE old.{table} AS SELECT * FROM atlas.{table}"
        server.run(copy)
    server.run("ALTER TABLE old.atlas_diff_objects DROP COLUMN zooniverse_score")
    server.run("CREATE TABLE old.tcs_latest_object_stats LIKE atlas.tcs_latest_object_stats")
    use_account(own, {**server.make_reader("old"), "timeout": 1})
    done = cut(own, tmp_path / "out")
    server.make_reader("atlas")
    assert_one_line(done, "database 127.0.0.1/old: ", "Unknown column", "zooniverse_score")
    assert "SELECT" not in done.stderr


def test_a_night_without_rows_is_one_line(own, tmp_path):
    done = run_warm(SCRIPT, own, 58999, "--stampLocation=out", cwd=tmp_path)
    assert_one_line(done, "the database has no exposure of camera 02a in night 58999")


# The disk is full


def cut_with_small_files(config, location, largest):
    """Cut where no file can grow beyond a size, as on a disk that is full."""
    words = [str(word) for word in words_of(config, location)[1:]]
    code = (
        f"import resource, signal, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest}))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "import getATLASTrainingSetCutouts as script\n"
        f"sys.exit(script.main({words!r}))"
    )
    return run_python("-c", code, cwd=config.parent)


def largest_of(files):
    return max(path.stat().st_size for path in files)


def test_a_disk_that_fills_while_stamping_loses_nothing(own, whole, tmp_path):
    location = tmp_path / "out"
    stamps = largest_of(whole.glob("good/*.fits"))
    done = cut_with_small_files(own, location, stamps - 1)
    assert_one_line(done, "File too large")
    assert not [path for path in location.rglob("*") if path.is_file()]
    assert cut(own, location).returncode == 0
    assert same_lists(location, whole)


def test_a_disk_that_fills_after_stamping_keeps_every_stamp(own, whole, tmp_path):
    location = tmp_path / "out"
    largest = largest_of([*whole.glob("*/*.fits"), *whole.glob("exposures/*.txt")])
    assert largest < (whole / "bad.txt").stat().st_size
    assert_one_line(cut_with_small_files(own, location, largest), "File too large")
    assert not list(location.glob("*.txt"))
    before = {path: path.stat().st_mtime_ns for path in location.glob("*/*.fits")}
    assert cut(own, location).returncode == 0
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    assert same_lists(location, whole)
