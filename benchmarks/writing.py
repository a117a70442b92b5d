#!/usr/bin/env python3
"""How fast scores are written back to MariaDB and taken back, beside bare statements.

    python -m tests.mariadb benchmarks/writing.py

Fills an empty database with half a million objects of ATLAS, and writes the scores of a night's
14,000 of them. ``bare`` is PyMySQL's ``executemany`` of one UPDATE a row, which writes where there
is no score, in transactions of as many rows, without locks, ledger or a look at what is stored.
They take turns, each from empty scores; the figures are medians.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pymysql
from sqlalchemy import make_url

from realbogus.cli import ArgumentParser, run
from realbogus.config import Config, load_config, write_config
from realbogus.database import Database
from realbogus.ledger import Ledger
from realbogus.recipes import Input
from realbogus.writeback import revert_changes, write_scores
from realbogus.writeback.place import BATCH

_OBJECTS, _SCORED = 500_000, 14_000
_FIRST, _STEP = 1_010_000_000_000_000_000, 35
_MADE = Input("objects.csv", "0" * 64)
Scores = Sequence[tuple[int, float]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("--database", required=True, help="URL of an empty database on MariaDB")
    parser.add_argument("--repeats", type=int, default=5, help="of each (%(default)s)")
    options = parser.parse_args(argv)
    return run(lambda: _report(options), verbose=options.verbose)


def _report(options: argparse.Namespace) -> None:
    _fill(options.database)
    rng = np.random.default_rng(0)
    scores = [(_FIRST + _STEP * n, float(rng.random())) for n in range(_SCORED)]
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_config(
            Path(folder, "config.yaml"), {"databases": {"local": {"url": options.database}}}
        )
        config = load_config(Path(folder, "config.yaml"))
        for _ in range(options.repeats):
            for name, took in _measure(options.database, config, scores).items():
                seconds.setdefault(name, []).append(took)
    bare = statistics.median(seconds["bare"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:7s} {median:6.2f} s for {_SCORED:,} scores, {median / bare:.2f} of bare")


def _measure(url: str, config: Config, scores: Scores) -> Mapping[str, float]:
    """Write in both ways, and take back; the scores are empty before and after."""
    bare = _time(lambda: _write_bare(url, scores))
    _empty(url)
    write = _time(lambda: write_scores(config, scores, made=_MADE))
    again = _time(lambda: write_scores(config, scores, made=_MADE))
    name = Ledger(config.ledger).names[-1]
    revert = _time(lambda: revert_changes(config, name))
    return {"bare": bare, "write": write, "again": again, "revert": revert}


def _time(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _fill(url: str) -> None:
    with Database.open(url) as database:
        database.create_tables("atlas")
    _execute(
        url,
        "INSERT INTO atlas_diff_objects (id, detection_id, htm16ID, ra, `dec`, date_inserted)"
        f" SELECT {_FIRST} + seq, seq, seq, 10, 20, NOW() FROM seq_0_to_{_OBJECTS - 1}",
    )


def _empty(url: str) -> None:
    _execute(url, "UPDATE atlas_diff_objects SET zooniverse_score = NULL")


def _write_bare(url: str, scores: Scores) -> None:
    statement = (
        "UPDATE atlas_diff_objects SET zooniverse_score = %s"
        " WHERE id = %s AND zooniverse_score IS NULL"
    )
    with _connect(url) as connection, connection.cursor() as cursor:
        for first in range(0, len(scores), BATCH):
            cursor.executemany(
                statement, [(score, item) for item, score in scores[first : first + BATCH]]
            )
            connection.commit()


def _execute(url: str, statement: str) -> None:
    with _connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()


def _connect(url: str) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    parsed = make_url(url)
    return pymysql.connect(
        host=parsed.host or "localhost",
        port=parsed.port or 3306,
        user=parsed.username,
        password=parsed.password or "",
        database=parsed.database,
    )


if __name__ == "__main__":
    sys.exit(main())
