"""A real server that is killed or locked while the stamps of Pan-STARRS are looked up."""

import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import text

from realbogus.config import load_config
from realbogus.database import Database
from realbogus.database import ps1 as queries
from realbogus.errors import DatabaseError
from realbogus.lists import read_list
from realbogus.stages import cut_ps1 as stage
from realbogus.stages.cut_ps1 import cut_ps1
from realbogus.surveys import ps1
from realbogus.surveys.ps1 import Selection, select_real
from tests.helpers import ROOT
from tests.mariadb.server import PASSWORD, SECRET, assert_one_line
from tests.ps1 import make_survey
from tests.warm import run_warm

SCRIPT = ROOT / "getPS1TrainingSetCutouts.py"
WAITING = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for%'"
MANY, FIRST = 200_000, 1_010_000_000_000_000_000
"""Objects, whose rows fit into no buffer on the way."""


@pytest.fixture
def survey(server, tmp_path):
    """Make a survey on the server; its account reads only, and waits a second for a lock."""
    url = server.make_database("ps1")
    local = {**server.make_reader("ps1", user="ps1_reader"), "timeout": 1}
    return make_survey(tmp_path / "survey", url=url, local=local)


def after(number, function, then):
    """Let something happen when a function has been called so many times."""
    calls = []

    def wrapper(*words):
        calls.append(words)
        if len(calls) == number:
            then()
        return function(*words)

    return wrapper


def kill_and_start(server):
    server.kill()
    threading.Timer(0.5, server.start).start()


def test_a_server_killed_between_stamps_and_restarted_costs_no_stamp(
    server, survey, tmp_path, monkeypatch, caplog
):
    cut_ps1(survey.config, location=tmp_path / "whole")
    monkeypatch.setattr(queries, "BATCH", 1)
    kill = after(2, stage.stamp_file, lambda: kill_and_start(server))
    monkeypatch.setattr(stage, "stamp_file", kill)
    cut_ps1(survey.config, location=tmp_path / "out")
    assert "trying again in 1 s" in caplog.text
    for name, count in (("good.txt", 3), ("bad.txt", 4)):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "whole" / name).read_text()
        assert len(read_list(tmp_path / "out" / name)) == count


def test_objects_are_complete_after_a_server_was_killed_in_mid_stream_and_restarted(
    server, survey, monkeypatch, caplog
):
    server.run(
        "INSERT INTO tcs_transient_objects (id, detection_list_id, followup_flag_date, ra_psf,"
        f" dec_psf) SELECT {FIRST} + seq, 2, '2020-01-01', 10.0123456789, 20.0123456789 FROM"
        f" seq_1_to_{MANY}",
        database="ps1",
    )
    killed = []

    def kill_once(rows):
        for number, row in enumerate(rows):
            if number == 20_000 and not killed:
                killed.append(True)
                kill_and_start(server)
            yield row

    keep = ps1._keep
    monkeypatch.setattr(ps1, "_keep", lambda file, rows: keep(file, kill_once(rows)))
    with Database.connect(load_config(survey.config).database) as database:
        found = [source.id for source in select_real(database, Selection())]
    assert killed and "Lost connection" in caplog.text
    assert found == [3000, 3001, 3002, *range(FIRST + 1, FIRST + 1 + MANY)]


def test_a_server_that_stays_away_is_one_line_and_the_next_run_makes_the_lists(
    server, survey, tmp_path
):
    command = [sys.executable, str(SCRIPT), str(survey.config), "--stampLocation=out"]
    with server.connect("ps1") as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES tcs_postage_stamp_images WRITE")
        process = subprocess.Popen(
            command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 30
        while server.run(WAITING) == ((0,),):
            assert time.monotonic() < deadline
        server.kill()
    said, errors = process.communicate(timeout=60)
    server.start()
    done = subprocess.CompletedProcess(command, process.returncode, said, errors)
    assert_one_line(done, "ERROR: database 127.0.0.1/ps1: ", "Can't connect to MySQL server")
    assert errors.count("trying again") == 3
    assert list((tmp_path / "out").iterdir()) == []
    assert run_warm(*command[1:], cwd=tmp_path).returncode == 0
    assert len(read_list(tmp_path / "out/bad.txt")) == 4


def test_a_lock_that_goes_in_time_only_costs_time(server, survey, tmp_path, caplog):
    with server.locked("tcs_transient_objects", database="ps1"):
        thread = threading.Thread(
            target=cut_ps1, args=(survey.config,), kwargs={"location": tmp_path / "out"}
        )
        thread.start()
        time.sleep(2)
    thread.join(30)
    assert "Lock wait timeout exceeded" in caplog.text
    assert len(read_list(tmp_path / "out/good.txt")) == 3


REFUSALS = {
    "a wrong password": (
        {"password": f"{PASSWORD}x"},
        (),
        r"^database 127\.0\.0\.1/ps1: .*Access denied for user 'ps1_reader'@",
    ),
    "no such database": ({"database": "none"}, (), "to database 'none'"),
    "no right to read": (
        {},
        (
            "REVOKE SELECT ON ps1.* FROM 'ps1_reader'@'%'",
            "GRANT SELECT ON ps1.tcs_transient_objects TO 'ps1_reader'@'%'",
        ),
        "SELECT command denied to user 'ps1_reader'@.*tcs_postage_stamp_images",
    ),
    "a missing column": (
        {},
        ("ALTER TABLE tcs_postage_stamp_images DROP COLUMN pss_error_code",),
        "Unknown column .*pss_error_code",
    ),
}


@pytest.mark.parametrize(("changes", "statements", "line"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_one_line_and_nothing_is_written(
    server, survey, tmp_path, changes, statements, line
):
    survey.local |= changes
    survey.write_config()
    server.run("DO 0", *statements, database="ps1")
    with pytest.raises(DatabaseError, match=line) as caught:
        cut_ps1(survey.config, location=tmp_path / "out")
    said = str(caught.value)
    assert SECRET not in said and "SELECT i" not in said and "\n" not in said
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_login_of_the_script_says_nothing_of_the_password(survey, tmp_path):
    survey.local |= {"password": f"{PASSWORD}x"}
    survey.write_config()
    done = run_warm(SCRIPT, survey.config, "--stampLocation=out", "--verbose", cwd=tmp_path)
    assert_one_line(done, "Access denied for user 'ps1_reader'@")
    assert len(done.stderr.splitlines()) == 1


def test_every_query_is_over_at_once(server, survey):
    """No result stays open on the server while stamps are looked for."""
    with Database.connect(load_config(survey.config).database) as database:
        next(select_real(database, Selection()))
        (row,) = database.rows(text("SELECT COUNT(*) AS n FROM tcs_transient_objects"))
    assert row.n == 7
