"""Scores written to a database and taken back, on SQLite; tests/mariadb has what needs a server."""

import csv
import sqlite3
from contextlib import closing

import pytest
from astropy.table import Table
from sqlalchemy import make_url

from realbogus.config import load_config, write_config
from realbogus.database import Database
from realbogus.errors import ConfigError, DatabaseBusyError, DatabaseError, FormatError
from realbogus.ledger import Change, Ledger
from realbogus.recipes import Input, Recipe
from realbogus.scores import Column, read_score_recipe, write_ecsv
from realbogus.stages.revert import list_runs, revert_run
from realbogus.writeback import (
    place,
    read_writable,
    record_path,
    require_update,
    revert_changes,
    update_database,
    write_scores,
)

MADE = Input(
    "objects.csv",
    "c0ffee" * 10,
    Recipe("score", {"listid": 4}, {"classifier[02a]": Input("02a.h5", "f00d" * 16)}),
)


@pytest.fixture
def survey(tmp_path):
    return Objects(tmp_path)


class Objects:
    """The objects of an ATLAS survey in a file, and its configuration."""

    def __init__(self, folder):
        self.file, self.path = folder / "survey.db", folder / "config.yaml"
        with Database.open(f"sqlite:///{self.file}") as database:
            database.create_tables("atlas")
        local = {"url": "sqlite:///survey.db"}
        write_config(self.path, {"databases": {"local": local}})
        self.config = load_config(self.path)
        for identifier in range(1, 7):
            self.run(
                "INSERT INTO atlas_diff_objects (id, detection_id, htm16ID, ra, dec, date_inserted,"
                f" zooniverse_score) VALUES ({identifier}, 1, 1, 10, 20, '2018-07-11', NULL)"
            )

    def run(self, statement):
        with closing(sqlite3.connect(self.file)) as connection, connection:
            return connection.execute(statement).fetchall()

    @property
    def scores(self):
        return dict(self.run("SELECT id, zooniverse_score FROM atlas_diff_objects ORDER BY id"))

    def set(self, identifier, score):
        self.run(f"UPDATE atlas_diff_objects SET zooniverse_score={score} WHERE id={identifier}")

    def write(self, scores, **options):
        return write_scores(self.config, list(scores.items()), made=MADE, **options)

    @property
    def ledger(self):
        return Ledger(self.config.ledger)


def of(outcome):
    return outcome.count, outcome.kept, outcome.vanished.count


def test_only_empty_scores_are_written_and_a_second_run_changes_nothing(survey):
    survey.set(2, 0.25)
    outcome = survey.write({1: 0.5, 2: 0.75, 99: 0.5})
    assert of(outcome) == (1, 1, 1)
    assert outcome.vanished.first == ["99"]
    assert survey.scores == {1: 0.5, 2: 0.25, 3: None, 4: None, 5: None, 6: None}
    again = survey.write({1: 0.5, 2: 0.75})
    assert (of(again), again.run) == ((0, 2, 0), "")
    assert survey.ledger.names == [outcome.run]


def test_rescore_writes_over_other_scores_and_leaves_the_same(survey):
    survey.set(2, 0.25)
    survey.set(3, 0.5)
    assert of(survey.write({1: 0.5, 2: 0.75, 3: 0.5}, rescore=True)) == (2, 1, 0)
    assert [survey.scores[item] for item in (1, 2, 3)] == [0.5, 0.75, 0.5]


def test_the_ledger_is_a_table_of_what_was_written(survey):
    survey.set(2, 0.25)
    run = survey.write({1: 0.5, 2: 0.75}, rescore=True).run
    path = survey.config.ledger / f"{run}.csv"
    table = Table.read(path, format="ascii.ecsv")
    rows = table[table["event"] == "write"]
    assert table.colnames == [
        *("run", "time", "batch", "event", "object", "old", "new", "models"),
    ]
    assert rows["object"].tolist() == ["1", "2"]
    assert rows["old"].tolist() == [None, 0.25]
    assert rows["new"].tolist() == [0.5, 0.75]
    assert set(rows["models"]) == {"02a=f00df00df00df00d"}
    assert set(table["run"]) == {run}
    assert table["event"].tolist() == ["write", "write", "stored", "end"]
    assert (table["time"] > "20").all()
    assert read_score_recipe(path).inputs["outputcsv"].recipe.options == {"listid": 4}


def test_batches_are_committed_one_by_one(survey, monkeypatch):
    monkeypatch.setattr(place, "BATCH", 2)
    run = survey.write(dict.fromkeys(range(5, 0, -1), 0.5)).run
    batches = survey.ledger.read(run).batches
    assert [[change.object for change in batch.changes] for batch in batches] == [
        [1, 2],
        [3, 4],
        [5],
    ]
    assert all(batch.is_stored for batch in batches)


def test_revert_restores_what_the_run_changed_and_nothing_that_changed_since(survey):
    survey.set(2, 0.25)
    run = survey.write(dict.fromkeys(range(1, 7), 0.5), rescore=True).run
    survey.set(3, 0.75)
    survey.run("DELETE FROM atlas_diff_objects WHERE id = 4")
    lines = revert_run(run, survey.path)
    assert lines[0].startswith(f"4 scores of {run} restored, as run ")
    assert lines[1:] == [
        "1 have changed since, and are left as they are",
        "1 objects are not there any more: 4",
    ]
    assert survey.scores == {1: None, 2: 0.25, 3: 0.75, 5: None, 6: None}
    assert revert_run(run, survey.path) == [
        f"0 scores of {run} restored",
        "4 had been restored before",
        *lines[1:],
    ]
    assert survey.scores == {1: None, 2: 0.25, 3: 0.75, 5: None, 6: None}


def test_a_score_that_another_run_wrote_is_its_own_though_it_is_the_same(survey):
    first = survey.write({1: 0.5, 2: 0.5}).run
    survey.set(1, "NULL")
    second = survey.write({1: 0.5, 2: 0.5}).run
    changed, before = revert_changes(survey.config, first)
    assert (of(changed), before) == ((1, 1, 0), 0)
    assert (survey.scores[1], survey.scores[2]) == (0.5, None)
    assert of(revert_changes(survey.config, second)[0]) == (1, 0, 0)
    assert survey.scores[1] is None


def test_a_revert_can_be_reverted(survey):
    run = survey.write({1: 0.5}).run
    taken_back, _ = revert_changes(survey.config, run)
    assert survey.scores[1] is None
    revert_changes(survey.config, taken_back.run)
    assert survey.scores[1] == 0.5
    assert of(revert_changes(survey.config, run)[0]) == (0, 1, 0)


def test_runs_are_listed_with_what_they_did(survey):
    run = survey.write({1: 0.5, 2: 0.5}).run
    taken_back, _ = revert_changes(survey.config, run)
    rows = list_runs(survey.path)[1:]
    assert {row[0]: row[1] for row in rows} == {
        run: "update by objects.csv",
        taken_back.run: f"revert of {run}",
    }
    assert [row[3:] for row in rows] == [("2", "ended")] * 2


@pytest.mark.parametrize("name", ["x", "../config", "20260101T000000-000000"])
def test_a_run_that_is_not_in_the_ledger_is_named(survey, name):
    with pytest.raises(ConfigError, match=r"has no run .*runs lists them"):
        revert_run(name, survey.path)


def test_a_run_of_another_database_is_not_reverted(survey, tmp_path):
    run = survey.write({1: 0.5}).run
    survey.file.rename(tmp_path / "other.db")
    content = {"databases": {"local": {"url": "sqlite:///other.db"}}}
    write_config(survey.path, content)
    with pytest.raises(ConfigError, match=r"wrote to .*survey\.db, and .* names .*other\.db"):
        revert_run(run, survey.path)


def test_a_run_that_goes_on_is_not_reverted(survey):
    run = survey.ledger.begin(Recipe("update", target_of(survey)), models="")
    with run:
        run.intend([Change(1, None, 0.5)])
        with pytest.raises(ConfigError, match="still goes on"):
            revert_run(run.name, survey.path)
        assert list_runs(survey.path)[1][4] == "running, or killed (1 not confirmed)"


def test_a_run_that_was_killed_before_it_changed_anything_has_nothing_to_revert(survey):
    with survey.ledger.begin(Recipe("update", target_of(survey)), models="") as run:
        run.intend([Change(1, None, 0.5)])
    path = survey.config.ledger / f"{run.name}.csv"
    path.write_text(path.read_text()[:-3])  # in the middle of its only line
    assert revert_run(run.name, survey.path) == [f"0 scores of {run.name} restored"]
    assert survey.ledger.unfinished() == []
    assert survey.scores[1] is None


def test_a_killed_run_of_another_database_is_left_to_those_who_reach_it(survey):
    target = {**target_of(survey), "database": "db1/atlas4"}
    with survey.ledger.begin(Recipe("update", target), models="") as run:
        run.intend([Change(1, None, 0.5)])
    survey.write({1: 0.25})
    assert run.name in survey.ledger.unfinished()
    assert survey.scores[1] == 0.25


def test_a_database_that_another_is_writing_to_is_busy(survey):
    url = make_url(f"sqlite:///{survey.file}")
    with (
        closing(sqlite3.connect(survey.file)) as other,
        Database(url, connect_args={"timeout": 0.05}) as database,
        pytest.MonkeyPatch.context() as patch,
    ):
        other.execute("BEGIN IMMEDIATE")
        patch.setattr("realbogus.database.connection.DELAYS", (0.01,))
        with pytest.raises(DatabaseBusyError, match="database is locked"):
            database.transact(lambda transaction: None)
        other.rollback()
        assert database.transact(lambda transaction: 7) == 7


def target_of(survey):
    return {"survey": "atlas", "database": str(survey.file).lstrip("/")}


def test_a_file_that_may_not_be_written_is_one_line_before_any_work(survey):
    with closing(sqlite3.connect(survey.file)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DROP TABLE atlas_diff_objects")
        connection.commit()
    with pytest.raises(DatabaseError, match=r"no such table.*UPDATE .zooniverse_score. on"):
        require_update(survey.config)


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([("x1", 0.5)], "not an object of the database: 'x1'"),
        ([("1", 0.5), ("1", 0.5)], "1 rows repeat an object"),
        ([("1", 1.5)], "line 10: not an object and a score"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, rows, part):
    columns = (Column("object", "string", "-"), Column("score", "float64", "-"))
    write_ecsv(tmp_path / "s.csv", columns, rows, Recipe("score", {}))
    with pytest.raises(FormatError, match=part):
        read_writable(tmp_path / "s.csv")


def test_a_record_beside_the_scores_says_what_came_of_it(survey, tmp_path, caplog):
    columns = (Column("object", "string", "-"), Column("score", "float64", "-"))
    output = tmp_path / "s.csv"
    write_ecsv(output, columns, [("1", 0.5), ("2", None), ("99", 0.5)], MADE.recipe)
    with caplog.at_level("INFO"):
        update_database(survey.config, read_writable(output), output_csv=output, rescore=False)
    with record_path(output, rescore=False).open() as stream:
        (row,) = csv.DictReader(line for line in stream if line[0] != "#")
    assert row == {"run": survey.ledger.names[0], "written": "1", "kept": "0", "vanished": "1"}
    assert "1 objects are not in the database any more: 99" in caplog.text
    assert f"1 scores written, 0 left as they are (run {row['run']}" in caplog.text
