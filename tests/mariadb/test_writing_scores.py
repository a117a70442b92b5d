"""Scores on a real server: as stored, once, in whole batches, by two at once, and taken back."""

import csv
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pymysql
import pytest
import yaml
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from realbogus.config import load_config, write_config
from realbogus.database import Database, connection
from realbogus.errors import DatabaseBusyError, DatabaseError, RecipeError
from realbogus.ledger import Change, Ledger, OpenRun
from realbogus.models.files import read_model_recipe
from realbogus.models.storage import load_model, save_model
from realbogus.recipes import Input
from realbogus.stages.revert import revert_run
from realbogus.stages.score import score_objects
from realbogus.writeback import place, require_update, revert_changes, write_scores
from tests.helpers import ROOT, run_python
from tests.mariadb.server import CAMERAS, SECRET, assert_one_line, use_account

SCRIPT = ROOT / "runKerasTensorflowClassifier.py"
ATLAS = ("atlas_diff_objects", "zooniverse_score")
PS1 = ("tcs_transient_objects", "confidence_factor")
MADE = Input("objects.csv", "c0ffee" * 10)
FIRST, MANY = 1_010_101_010_101_010_101, 20
NEW = {
    "atlas": "atlas_diff_objects (id, detection_id, htm16ID, ra, `dec`, date_inserted)"
    f" SELECT {FIRST} + seq, seq, seq, 10.5, -20.25, '2018-07-11'",
    "ps1": f"tcs_transient_objects (id, ra_psf, dec_psf) SELECT {FIRST} + seq, 10.5, -20.25",
}


class Night:
    """A database of a survey's objects, the account that writes their scores, and the ledger."""

    def __init__(self, server, folder, survey, user):
        self.server, self.survey = server, survey
        self.table, self.column = ATLAS if survey == "atlas" else PS1
        self.path = folder / "config.yaml"
        local = {**server.make_reader("night", user=user), "timeout": 1}
        server.run(f"GRANT UPDATE ({self.column}) ON night.{self.table} TO '{user}'@'%'")
        use_account(self.path, local)

    @property
    def config(self):
        return load_config(self.path)

    @property
    def ledger(self):
        return Ledger(self.config.ledger)

    def run(self, *statements):
        return self.server.run(*statements, database="night")

    def set(self, identifier, score):
        self.run(f"UPDATE {self.table} SET {self.column} = {score} WHERE id = {identifier}")

    @property
    def rows(self):
        """Every column of every object as the server keeps it, scores in full."""
        names = [row[0] for row in self.run(f"SHOW COLUMNS FROM {self.table}")]
        words = [f"{name} + 0e0" if name == self.column else f"`{name}`" for name in names]
        found = self.run(f"SELECT {', '.join(words)} FROM {self.table}")
        return {row[0]: dict(zip(names, row, strict=True)) for row in found}

    @property
    def scores(self):
        return {identifier: row[self.column] for identifier, row in self.rows.items()}

    def write(self, scores, **options):
        return write_scores(self.config, list(scores.items()), made=MADE, **options)


def assert_only_scores_differ(before, after, column):
    assert before.keys() == after.keys()
    for identifier, row in before.items():
        assert {**row, column: None} == {**after[identifier], column: None}


def stored(score):
    return float(np.float32(score))


@pytest.fixture(params=["atlas", "ps1"])
def kind(request):
    return request.param


@pytest.fixture
def night(server, kind, tmp_path):
    """Make a survey of a few objects on the server, which no other test uses meanwhile."""
    url = server.make_database("night")
    with Database.open(url) as database:
        database.create_tables(kind)
    server.run(
        f"INSERT INTO {NEW[kind]} FROM seq_0_to_{MANY - 1}",
        database="night",
    )
    write_config(tmp_path / "config.yaml", {"databases": {}, "survey": kind})
    return Night(server, tmp_path, kind, "night_writer")


only_atlas = pytest.mark.parametrize("kind", ["atlas"], indirect=True)


@pytest.fixture
def scores():
    rng = np.random.default_rng(7)
    return {FIRST + number: float(f"{rng.random():.7g}") for number in range(MANY)}


# The whole circle


@pytest.fixture(scope="module")
def scored(server, atlas, trained, tmp_path_factory):
    """Copy the objects into a database of their own, and score them; give the folder."""
    folder = tmp_path_factory.mktemp("scored")
    server_of = yaml.safe_load(atlas.read_text())
    write_config(folder / "config.yaml", {**server_of, "classifiers": {}})
    return folder


@pytest.fixture(scope="module")
def circle(mariadb, atlas, trained, tmp_path_factory):
    """Score the eyeball list of a database without writing back; give the folder."""
    folder = tmp_path_factory.mktemp("circle")
    stamps = load_config(atlas).images.stamp_root
    (folder / "stamps").mkdir()
    (folder / "stamps" / "night").symlink_to(stamps / "atlas")
    model = save_as_of_all_cameras(trained / "model.h5", folder / "model.h5")
    models = dict.fromkeys(CAMERAS, str(model))
    content = {"databases": {}, "survey": "atlas", "images": {"stamps": "stamps"}}
    write_config(folder / "config.yaml", {**content, "classifiers": models})
    make_copy(mariadb)
    Night(mariadb, folder, "atlas", "circle_writer")
    score_objects(output_csv=folder / "objects.csv", config_file=folder / "config.yaml")
    return folder


def save_as_of_all_cameras(model, path):
    """Save a classifier as if stamps of all cameras had trained it, so that none is held back."""
    recipe = read_model_recipe(model)
    results = {**recipe.results, "cameras": list(CAMERAS)}
    save_model(path, load_model(model, recipe, side=20), replace(recipe, results=results))
    return path


def make_copy(server):
    server.make_database("night")
    for table in ("atlas_diff_objects", "tcs_postage_stamp_images"):
        server.run(
            f"CREATE TABLE night.{table} LIKE atlas.{table}",
            f"INSERT INTO night.{table} SELECT * FROM atlas.{table}",
        )
    server.run(
        "UPDATE atlas_diff_objects SET zooniverse_score = NULL"
        " WHERE detection_list_id = 4 AND id DIV 1000 MOD 5 > 0",
        database="night",
    )


@pytest.fixture
def list_of_night(mariadb, circle, tmp_path):
    """Copy that database and the folder anew, with the scores in a file."""
    make_copy(mariadb)
    for name in ("config.yaml", "objects.csv"):
        shutil.copy(circle / name, tmp_path)
    (tmp_path / "stamps").symlink_to(circle / "stamps")
    return Night(mariadb, tmp_path, "atlas", "circle_writer")


def in_file(path):
    with path.open() as stream:
        rows = list(csv.DictReader(line for line in stream if line[0] != "#"))
    return {int(row["object"]): float(row["score"]) for row in rows if row["score"]}


def words_of(night, *options):
    return [SCRIPT, "--configFile=config.yaml", "--outputcsv=objects.csv", "--update", *options]


def test_a_list_is_scored_written_back_and_taken_back_by_the_scripts(list_of_night):
    night, folder = list_of_night, list_of_night.path.parent
    before = night.rows
    done = run_python(SCRIPT, "--outputcsv={date}.csv", "--update", "--verbose", cwd=folder)
    assert done.returncode == 0, done.stderr
    (output,) = folder.glob("20??-??-??.csv")
    wanted = in_file(output)
    assert len(wanted) > 5
    after = night.rows
    assert_only_scores_differ(before, after, "zooniverse_score")
    empty = {item for item in before if before[item]["zooniverse_score"] is None}
    for item, row in after.items():
        expected = stored(wanted[item]) if item in wanted.keys() & empty else None
        assert row["zooniverse_score"] == (expected or before[item]["zooniverse_score"])
    (run,) = night.ledger.names
    assert {change.object for change in night.ledger.read(run).changes} == wanted.keys() & empty
    second = run_python(SCRIPT, f"--outputcsv={output.name}", "--update", cwd=folder)
    assert second.returncode == 0, second.stderr
    assert "0 scores written" in second.stderr
    assert night.rows == after
    listed = run_python("-m", "realbogus", "runs", cwd=folder, check=True).stdout
    assert run in listed
    undone = run_python("-m", "realbogus", "revert", run, cwd=folder)
    assert undone.stdout.startswith(f"{len(wanted.keys() & empty)} scores of {run} restored")
    assert night.rows == before
    said = "".join([done.stderr, second.stderr, listed, undone.stdout, undone.stderr])
    kept = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.yaml"]
    assert SECRET not in said + "".join(path.read_text() for path in kept)


# Runs that are killed


def drive(night, code, *words):
    """Run the script with batches of two objects, after some code that makes it fail."""
    driver = (
        "import os, resource, signal, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from realbogus.ledger import OpenRun\n"
        "from realbogus.writeback import place\n"
        "place.BATCH = 2\n"
        "calls = []\n"
        f"{code}\n"
        "import runKerasTensorflowClassifier as script\n"
        f"sys.exit(script.main({[str(word) for word in words]!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", driver],
        cwd=night.path.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


KILL = """
real = OpenRun.{name}
def kill(self, *words):
    calls.append(words)
    if len(calls) == 2 and not {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, *words)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
OpenRun.{name} = kill
"""


@pytest.mark.parametrize(
    ("name", "after", "batches"),
    [("intend", False, 1), ("intend", True, 1), ("confirm", False, 2), ("confirm", True, 2)],
    ids=["in a batch", "before its commit", "after its commit", "between batches"],
)
def test_a_killed_run_leaves_no_half_batch_and_goes_on_with_the_same_command(
    list_of_night, name, after, batches
):
    night = list_of_night
    before, wanted = night.rows, in_file(night.path.parent / "objects.csv")
    night.run("UPDATE atlas_diff_objects SET zooniverse_score = NULL WHERE detection_list_id = 4")
    empty = night.rows
    killed = drive(night, KILL.format(name=name, after=after), *words_of(night)[1:])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    wait_until(lambda: not others_transactions(night))
    written = [item for item, score in night.scores.items() if score != empty[item][night.column]]
    assert written == sorted(wanted)[: 2 * batches]
    score_objects(output_csv=night.path.parent / "objects.csv", config_file=night.path, update=True)
    assert {item: night.scores[item] for item in wanted} == {
        item: stored(score) for item, score in wanted.items()
    }
    first, second = (night.ledger.read(run) for run in night.ledger.names)
    assert first.has_ended and second.has_ended
    assert [change.object for change in first.changes] == written
    assert [change.object for change in second.changes] == sorted(wanted)[2 * batches :]
    for record in (first, second):
        assert revert_changes(night.config, record.name)[0].count == len(record.changes)
    assert night.rows == empty
    assert before.keys() == empty.keys()


def others_transactions(night):
    found = night.run("SELECT COUNT(*) FROM information_schema.innodb_trx")
    return found[0][0]


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.12)  # the server's table of transactions is a tenth of a second old


def test_a_full_disk_writes_nothing_whose_line_could_not_be_stored(list_of_night):
    night = list_of_night
    wanted = in_file(night.path.parent / "objects.csv")
    night.run("UPDATE atlas_diff_objects SET zooniverse_score = NULL WHERE detection_list_id = 4")
    full = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
real = OpenRun.intend
def intend(self, changes):
    calls.append(changes)
    if len(calls) == 2:
        size = os.path.getsize(self._path) + 40
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    real(self, changes)
OpenRun.intend = intend
"""
    done = drive(night, full, *words_of(night)[1:])
    assert_one_line_at_the_end(done, "File too large", "ledger")
    (run,) = night.ledger.names
    first = night.ledger.read(run)
    assert [item for item in sorted(wanted) if night.scores[item] is not None] == [
        change.object for change in first.changes
    ]
    assert len(first.changes) == 2
    assert [batch.is_stored for batch in first.batches] == [True]
    score_objects(output_csv=night.path.parent / "objects.csv", config_file=night.path, update=True)
    assert None not in {night.scores[item] for item in wanted}


def assert_one_line_at_the_end(done, *parts):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stderr
    assert [line for line in lines if line.startswith("ERROR: ")] == lines[-1:]
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[-1]


def test_objects_that_came_since_the_file_was_made_are_no_silent_loss(list_of_night):
    night = list_of_night
    night.run("UPDATE atlas_diff_objects SET detection_list_id = 4 WHERE detection_list_id = 0")
    output = night.path.parent / "objects.csv"
    with pytest.raises(
        RecipeError, match=r"objects\.csv was made before .* came to list 4.*{date}"
    ):
        score_objects(output_csv=output, config_file=night.path, update=True)
    assert len(night.ledger.names) == 1


# Accounts and tables that can't


def grant_reading(night):
    night.server.make_reader("night", user="night_writer")
    return "UPDATE command denied to user 'night_writer'"


def grant_another_column(night):
    night.server.make_reader("night", user="night_writer")
    night.run(f"GRANT UPDATE (ra) ON night.{night.table} TO 'night_writer'@'%'")
    return "UPDATE command denied to user 'night_writer'"


def make_the_server_read_only(night):
    night.run("SET GLOBAL read_only = 1")
    return "read-only"


@pytest.fixture(params=[grant_another_column, make_the_server_read_only])
def refusal(request, night):
    yield request.param(night)
    night.run("SET GLOBAL read_only = 0")


ONLY_READS = "SELECT and UPDATE (zooniverse_score) on atlas_diff_objects"


@only_atlas
def test_an_account_that_only_reads_gets_one_line_before_any_work(night, tmp_path):
    before, part = night.rows, grant_reading(night)
    done = run_python(*words_of(night, "--classifier=none.h5"), cwd=tmp_path)
    assert_one_line(done, part, ONLY_READS)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert night.rows == before


@only_atlas
def test_whatever_keeps_an_account_from_writing_is_said_before_any_work(night, refusal, tmp_path):
    before = night.rows
    with pytest.raises(DatabaseError, match=re.escape(ONLY_READS)) as caught:
        score_objects(
            output_csv=tmp_path / "objects.csv",
            config_file=night.path,
            classifiers=["none.h5"],
            update=True,
        )
    assert refusal in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert night.rows == before


@only_atlas
def test_rights_of_a_role_count(night, scores):
    night.server.make_reader("night", user="night_writer")
    night.run(
        "CREATE OR REPLACE ROLE scorer",
        f"GRANT UPDATE ({night.column}) ON night.{night.table} TO scorer",
        "GRANT scorer TO 'night_writer'@'%'",
        "SET DEFAULT ROLE scorer FOR 'night_writer'@'%'",
    )
    assert night.write(scores).count == MANY


@only_atlas
def test_a_table_that_can_undo_nothing_is_refused(night):
    night.run(f"ALTER TABLE {night.table} ENGINE = MyISAM")
    with pytest.raises(DatabaseError, match="is a table of MyISAM, without transactions"):
        require_update(night.config)


@only_atlas
def test_checking_the_rights_writes_nothing_and_waits_for_nobody(night):
    before = night.rows
    with night.server.connect("night") as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"UPDATE {night.table} SET {night.column} = 0.5")
        begin = time.monotonic()
        require_update(night.config)
        assert time.monotonic() - begin < 1
        cursor.execute("ROLLBACK")
    assert night.rows == before


# What is written


def test_scores_are_those_of_the_file_as_the_server_keeps_them(night, scores):
    before = night.rows
    night.set(FIRST + 1, 0.3)
    outcome = night.write({**scores, FIRST + 100: 0.5})
    assert (outcome.count, outcome.kept, outcome.vanished.first) == (
        *(MANY - 1, 1),
        [str(FIRST + 100)],
    )
    expected = {item: stored(score) for item, score in scores.items()}
    assert night.scores == {**expected, FIRST + 1: stored(0.3)}
    assert_only_scores_differ(before, night.rows, night.column)
    after = night.rows
    for options in ({}, {"rescore": True}):
        again = night.write(dict.fromkeys(scores, 0.0) | night.scores, **options)
        assert (again.count, again.run) == (0, "")
    assert night.rows == after
    assert night.write(scores, rescore=True).count == 1
    assert night.scores == expected


def test_revert_leaves_what_others_changed_meanwhile(night, scores):
    night.set(FIRST + 5, 0.25)
    before = night.rows
    run = night.write(scores, rescore=True).run
    night.set(FIRST, 0.125)
    night.set(FIRST + 1, "NULL")
    night.run(f"DELETE FROM {night.table} WHERE id = {FIRST + 2}")
    night.run(f"UPDATE {night.table} SET detection_list_id = 0 WHERE id = {FIRST + 3}")
    changed, _ = revert_changes(night.config, run)
    assert (changed.count, changed.kept, changed.vanished.first) == (
        *(MANY - 3, 2),
        [str(FIRST + 2)],
    )
    left = {FIRST: 0.125, FIRST + 1: None}
    expected = {item: row[night.column] for item, row in before.items() if item != FIRST + 2}
    assert night.scores == {**expected, **left}
    assert night.rows[FIRST + 3]["detection_list_id"] == 0
    after = night.rows
    assert revert_run(run, night.path)[0] == f"0 scores of {run} restored"
    assert night.rows == after


@only_atlas
def test_a_revert_that_was_killed_goes_on(night, scores, monkeypatch):
    monkeypatch.setattr(place, "BATCH", 6)
    before = night.rows
    run = night.write(scores).run
    code = KILL.format(name="intend", after=True)
    driver = (
        f"import os, signal, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from realbogus.ledger import OpenRun\nfrom realbogus.writeback import place\n"
        f"place.BATCH = 6\ncalls = []\n{code}\n"
        f"from realbogus.__main__ import main\nsys.exit(main(['revert', {run!r}]))"
    )
    done = run_python("-c", driver, cwd=night.path.parent)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_until(lambda: not others_transactions(night))
    assert sum(score is None for score in night.scores.values()) == 6
    lines = revert_run(run, night.path)
    assert lines[0].startswith(f"{MANY - 6} scores of {run} restored")
    assert lines[1:] == ["6 had been restored before"]
    assert night.rows == before


# Two at once


def in_threads(*functions):
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result(timeout=60)


def assert_the_ledger_tells_the_history(night, before):
    """Follow each object through the ledger, from what was there to what is."""
    entries = sorted(night.ledger.history(night.scores), key=lambda entry: entry.batch.time)
    assert all(entry.batch.is_stored for entry in entries)
    now = dict(before)
    for entry in entries:
        assert now[entry.change.object] == entry.change.old
        now[entry.change.object] = entry.change.new
    assert now == night.scores


def test_two_runs_at_once_write_each_score_once(night, scores, monkeypatch):
    monkeypatch.setattr(place, "BATCH", 1)
    intend = OpenRun.intend

    def intend_slowly(run, changes):  # so that neither is done before the other begins
        intend(run, changes)
        time.sleep(0.05)

    monkeypatch.setattr(OpenRun, "intend", intend_slowly)
    before, outcomes = night.scores, []
    in_threads(*[lambda: outcomes.append(night.write(scores))] * 2)
    assert sum(outcome.count for outcome in outcomes) == MANY
    assert all(outcome.count for outcome in outcomes)
    assert night.scores == {item: stored(score) for item, score in scores.items()}
    assert_the_ledger_tells_the_history(night, before)


def test_two_processes_at_once_write_each_score_once(list_of_night):
    night = list_of_night
    night.run("UPDATE atlas_diff_objects SET zooniverse_score = NULL WHERE detection_list_id = 4")
    before, wanted = night.scores, in_file(night.path.parent / "objects.csv")
    slow = """
import time
real = OpenRun.intend
def intend(self, changes):
    real(self, changes)
    time.sleep(0.05)
OpenRun.intend = intend
"""
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(drive, night, slow, *words_of(night)[1:]) for _ in range(2)]
    for done in (future.result() for future in running):
        assert done.returncode == 0, done.stderr
    records = [night.ledger.read(run) for run in night.ledger.names]
    objects = [change.object for record in records for change in record.changes]
    assert len(objects) == len(set(objects)) == len(wanted)
    assert {item: night.scores[item] for item in wanted} == {
        item: stored(score) for item, score in wanted.items()
    }
    assert_the_ledger_tells_the_history(night, before)


@only_atlas
def test_two_runs_that_write_over_each_other_are_told_apart(night, scores, monkeypatch):
    monkeypatch.setattr(place, "BATCH", 3)
    before, others = night.scores, {item: 1 - score for item, score in scores.items()}
    in_threads(lambda: night.write(scores, rescore=True), lambda: night.write(others, rescore=True))
    for item, score in night.scores.items():
        assert score in (stored(scores[item]), stored(others[item]))
    assert_the_ledger_tells_the_history(night, before)
    for run in reversed(night.ledger.names):
        revert_changes(night.config, run)
    assert_the_ledger_tells_the_history(night, before)


@only_atlas
def test_a_batch_that_was_lost_is_not_taken_for_another_runs_that_wrote_the_same(night, scores):
    """A run dies before its commit; another writes the same scores before anyone looks."""
    target = {"survey": "atlas", "database": "127.0.0.1/night"}
    recipe = replace(write_recipe(night, scores), options=target)
    night.run(f"UPDATE {night.table} SET {night.column} = NULL")
    dead = night.ledger.begin(recipe, models="")
    dead.intend([Change(item, None, stored(score)) for item, score in scores.items()])
    other = night.write(scores).run  # the first still lives, as far as this one can see
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenRun, "_append", lambda *_: None)
        dead.__exit__()
    night.write({})
    assert night.ledger.read(dead.name).changes == []
    assert len(night.ledger.read(other).changes) == MANY
    assert revert_changes(night.config, dead.name)[0].count == 0
    assert None not in night.scores.values()


def write_recipe(night, scores):
    run = night.write(scores).run
    return night.ledger.read(run).recipe


# A server that is busy or goes away


@only_atlas
def test_a_deadlock_is_tried_again(night, scores, monkeypatch, caplog):
    monkeypatch.setattr(connection, "DELAYS", (0.05, 0.05))
    first, last = min(scores), max(scores)
    night.run("CREATE TABLE many (id INT PRIMARY KEY)")
    with night.server.connect("night") as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        # A transaction of more rows is the one that survives.
        cursor.execute("INSERT INTO many SELECT seq FROM seq_1_to_1000")
        cursor.execute(f"UPDATE {night.table} SET ndetections = 7 WHERE id = {last}")
        thread = threading.Thread(target=lambda: night.write(scores))
        thread.start()
        waiting = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        wait_until(lambda: night.run(waiting) == ((1,),))
        cursor.execute(f"UPDATE {night.table} SET ndetections = 7 WHERE id = {first}")
        cursor.execute("COMMIT")
        thread.join(timeout=30)
    assert "Deadlock found" in caplog.text
    assert "trying again in 0.05 s" in caplog.text
    assert night.scores == {item: stored(score) for item, score in scores.items()}
    assert [night.rows[item]["ndetections"] for item in (first, last)] == [7, 7]
    (run,) = night.ledger.names
    assert len(night.ledger.read(run).batches) == 1


@only_atlas
def test_a_lock_that_stays_keeps_the_batches_before_and_says_so(night, scores, monkeypatch):
    monkeypatch.setattr(connection, "DELAYS", (0.05,))
    monkeypatch.setattr(place, "BATCH", 5)
    with night.server.connect("night") as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"UPDATE {night.table} SET ndetections = 7 WHERE id = {FIRST + 12}")
        begin = time.monotonic()
        with pytest.raises(DatabaseBusyError, match=r"Lock wait timeout.*; 10 scores were written"):
            night.write(scores)
        assert time.monotonic() - begin < 4  # the timeout of the configuration, not the server's
        cursor.execute("ROLLBACK")
    assert night.write(scores).count == MANY - 10
    assert [len(night.ledger.read(run).changes) for run in night.ledger.names] == [10, MANY - 10]


@pytest.mark.parametrize("is_lost", [True, False], ids=["before", "after"])
@only_atlas
def test_a_server_that_goes_away_in_a_commit_is_looked_at(night, scores, monkeypatch, is_lost):
    """What was committed is not written twice in the ledger, and what was not is written."""
    monkeypatch.setattr(connection, "DELAYS", (0.05,))
    real, lost = Connection.commit, []

    def commit(self):
        if lost or not night.ledger.names:
            return real(self)
        lost.append(True)
        if not is_lost:
            real(self)
        raise OperationalError("", {}, pymysql.err.OperationalError(2013, "Lost connection"))

    monkeypatch.setattr(Connection, "commit", commit)
    outcome = night.write(scores)
    assert lost
    assert (outcome.count, outcome.kept) == (MANY, 0)
    assert night.scores == {item: stored(score) for item, score in scores.items()}
    batches = night.ledger.read(outcome.run).batches
    assert [batch.is_stored for batch in batches] == ([False, True] if is_lost else [True])


@only_atlas
def test_a_server_killed_between_batches_and_restarted_costs_nothing(
    server, night, scores, monkeypatch
):
    monkeypatch.setattr(place, "BATCH", 5)
    real, calls = OpenRun.intend, []

    def intend(self, changes):
        calls.append(changes)
        real(self, changes)
        if len(calls) == 2:
            server.kill()
            server.start()

    monkeypatch.setattr(OpenRun, "intend", intend)
    outcome = night.write(scores)
    assert outcome.count == MANY
    assert night.scores == {item: stored(score) for item, score in scores.items()}
    states = [batch.is_stored for batch in night.ledger.read(outcome.run).batches]
    assert states == [True, False, True, True, True]
