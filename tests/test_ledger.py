"""A file of the ledger is whole lines, belongs to one run, and says what is not known."""

import os
import stat

import pytest
from astropy.table import Table

from realbogus.errors import ConfigError, FormatError
from realbogus.ledger import Change, Ledger
from realbogus.recipes import Recipe

RECIPE = Recipe("update", {"survey": "atlas", "database": "db1/atlas4"})
CHANGES = [Change(2**63 + 1, None, 0.1), Change(7, 0.30000001192092896, None)]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger")


def files(ledger):
    return sorted(ledger.folder.iterdir()) if ledger.folder.exists() else []


def test_a_run_that_changes_nothing_leaves_no_file(ledger):
    with ledger.begin(RECIPE, models=""):
        pass
    assert files(ledger) == []
    assert ledger.names == ledger.unfinished() == []


def test_scores_come_back_as_the_very_same(ledger):
    with ledger.begin(RECIPE, models="02a=f00d") as run:
        run.intend(CHANGES)
        run.confirm()
        run.intend(CHANGES[:1])
        run.void()
    record = ledger.read(run.name)
    assert (record.changes, record.has_ended, run.count) == (CHANGES, True, 2)
    assert [batch.is_stored for batch in record.batches] == [True, False]
    assert ledger.unfinished() == []
    assert [path.name for path in files(ledger)] == [f"{run.name}.csv"]
    assert len(Table.read(files(ledger)[0], format="ascii.ecsv")) == 6


def test_what_is_intended_is_in_the_file_before_anything_else_happens(ledger):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
        record = ledger.read(run.name)
        assert record.batches[0].changes == CHANGES
        assert record.batches[0].is_stored is None
        assert record.changes == []
        assert ledger.reopen(run.name) is None  # its process lives
    assert ledger.unfinished() == [run.name]


def test_a_run_that_was_killed_in_a_line_is_taken_over_without_that_line(ledger):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
        run.confirm()
    (path,) = files(ledger)
    whole = path.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[0] + b"\n"  # without its end
    for torn in (b"", b"2", f"{run.name},2026-01-01T00:00:00.000000Z,2,write,7,0.5,0.".encode()):
        path.write_bytes(whole + torn)
        assert ledger.read(run.name).changes == CHANGES
        assert ledger.unfinished() == [run.name]
        again = ledger.reopen(run.name)
        assert again.pending is None
        with again:
            assert path.read_bytes() == whole
        assert ledger.unfinished() == []


def test_a_batch_that_was_open_can_be_closed_by_who_takes_it_over(ledger):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
    with ledger.reopen(run.name) as again:
        assert again.pending.changes == CHANGES
        again.confirm()
    assert ledger.read(run.name).changes == CHANGES


def test_runs_are_in_the_order_in_which_they_began(ledger):
    names = []
    for _ in range(20):
        with ledger.begin(RECIPE, models="") as run:
            run.intend(CHANGES)
            run.confirm()
        names.append(run.name)
    assert ledger.names == names


def test_the_history_of_late_passes_over_runs_that_had_ended(ledger):
    times = []
    for _ in range(3):
        with ledger.begin(RECIPE, models="") as run:
            run.intend(CHANGES)
            run.confirm()
        times.append(ledger.read(run.name).batches[0].time)
    assert [entry.run for entry in ledger.history([7])] == ledger.names
    assert [entry.run for entry in ledger.history([7], since=times[1])] == ledger.names[1:]


def test_no_run_replaces_the_file_of_another(ledger):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
        run.confirm()
    before = files(ledger)[0].read_bytes()
    twin = ledger.begin(RECIPE, models="")
    twin.__init__(files(ledger)[0], recipe=RECIPE)
    with pytest.raises(FileExistsError, match=run.name):
        twin.intend(CHANGES)
    assert files(ledger)[-1].read_bytes() == before


def test_others_files_are_no_runs(ledger):
    ledger.folder.mkdir()
    for name in ("notes.csv", ".20260101T000000-000000.csv", "20260101T000000-000000.txt"):
        (ledger.folder / name).write_text("x\n")
    assert ledger.names == []


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "r,t,1,write,7,0.5,high,",
        "r,t,one,write,7,,0.5,",
        "r,t,3,stored,,,,",
        "r,t,,begin,,,,",
        "r,t,1,write,7,,0.5,,",
    ],
)
def test_a_line_of_something_else_is_named(ledger, line):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
    (path,) = files(ledger)
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(FormatError, match=rf"{run.name}\.csv, line \d+: not a line of a ledger"):
        ledger.read(run.name)


def test_a_file_without_a_recipe_is_named(ledger):
    ledger.folder.mkdir()
    (ledger.folder / "20260101T000000-000000.csv").write_text("")
    assert ledger.unfinished() == ["20260101T000000-000000"]
    with pytest.raises(FormatError, match="does not say what made it"):
        ledger.read("20260101T000000-000000")


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="can't write in this folder"),
        Ledger(tmp_path / "file" / "ledger").begin(RECIPE, models="") as run,
    ):
        run.intend(CHANGES)


def test_a_file_of_another_user_is_left_to_them(ledger, monkeypatch):
    with ledger.begin(RECIPE, models="") as run:
        run.intend(CHANGES)
    (path,) = files(ledger)
    path.chmod(stat.S_IRUSR)
    if os.geteuid() == 0:  # whom no mode keeps out
        monkeypatch.setattr(os, "open", refuse)
    assert ledger.reopen(run.name) is None


def refuse(path, *_):
    raise PermissionError(13, "Permission denied", str(path))
