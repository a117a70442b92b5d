#!/usr/bin/env python3
"""How fast rows come out of MariaDB, and in how much memory, beside a bare PyMySQL cursor.

    python -m tests.mariadb benchmarks/database.py

Fills an empty database with two exposures, of 50 thousand and of 5 million known asteroids, and
with nights that hold as many together. Each reading is a process of its own: ``bare`` is PyMySQL's
streaming cursor, ``rows`` the same query through ``Database.rows``, ``nights`` the selection as
GetCutOuts makes it, night by night, in records. They take turns; the figures are medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import SSCursor
from sqlalchemy import make_url
from sqlalchemy.dialects import mysql

from realbogus.cli import ArgumentParser, run
from realbogus.config import DatabaseSettings
from realbogus.database import Database
from realbogus.database.atlas import asteroid_detections
from realbogus.surveys.atlas import Selection, select_night

_FEW, _MANY = 50_000, 5_000_000
_IN_EXPOSURE = 12_500
_EXPOSURES = 4
_CAMERA, _FIRST_NIGHT = "02a", 58_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("--database", required=True, help="URL of an empty database on MariaDB")
    parser.add_argument("--repeats", type=int, default=5, help="of each reading (%(default)s)")
    parser.add_argument("--reader", choices=_READERS, help="only read once: used by the benchmark")
    parser.add_argument("--rows", type=int, default=_MANY, choices=(_FEW, _MANY))
    options = parser.parse_args(argv)
    work = _report if options.reader is None else _read
    return run(lambda: work(options), verbose=options.verbose)


def _report(options: argparse.Namespace) -> None:
    begin = time.perf_counter()
    with Database.open(options.database) as database:
        database.create_tables("atlas")
    with _connect(options.database) as connection, connection.cursor() as cursor:
        for statement in _filling():
            cursor.execute(statement)
    print(f"filled in {time.perf_counter() - begin:.0f} s")
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _, case in product(range(options.repeats), product(_READERS, (_FEW, _MANY))):
        found.setdefault(case, []).append(_measure(options.database, *case))
    bare = _medians(found["bare", _MANY])[0]
    for name in _READERS:
        (rate, peak), (_, low) = (_medians(found[name, count]) for count in (_MANY, _FEW))
        print(
            f"{name:7s} {rate:9,.0f} rows/s, {rate / bare:.2f} of bare; peak {peak:.0f} MB, "
            f"{peak - low:+.0f} MB from {_FEW:,} to {_MANY:,} rows"
        )


def _medians(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rates, peaks = zip(*values, strict=True)
    return statistics.median(rates), statistics.median(peaks)


def _measure(database: str, reader: str, rows: int) -> tuple[float, float]:
    command = [sys.executable, str(Path(__file__)), f"--database={database}"]
    command += [f"--reader={reader}", f"--rows={rows}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rate, peak = json.loads(done.stdout)
    return float(rate), float(peak)


def _read(options: argparse.Namespace) -> None:
    begin = time.perf_counter()
    count = _READERS[options.reader](options.database, options.rows)
    seconds = time.perf_counter() - begin
    if count != options.rows:
        raise RuntimeError(f"{count} rows instead of {options.rows}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps([count / seconds, peak]))


def _filling() -> Sequence[str]:
    """Give the statements that fill the tables: exposures 1 and 2, and those of the nights."""
    nights = _MANY // _IN_EXPOSURE
    columns = (
        "INSERT INTO atlas_detectionsddc (id, atlas_metadata_id, atlas_object_id, det_id, x, y,"
        " mag, dmag, ra, `dec`, det, pkn, date_inserted) SELECT"
    )
    values = (
        "4000000000 + seq, seq MOD 10560, seq MOD 10560 + 0.37, seq MOD 10007 + 0.81,"
        " 17 + seq MOD 3000 / 1000, 0.11, seq MOD 360000 / 1000, seq MOD 90000 / 1000, 0, 999,"
        " NOW()"
    )
    return (
        f"{columns} seq, 1 + (seq > {_MANY}), {values} FROM seq_1_to_{_MANY + _FEW}",
        f"{columns} 10000000 + seq, 10 + (seq - 1) DIV {_IN_EXPOSURE}, {values}"
        f" FROM seq_1_to_{_MANY}",
        "INSERT INTO atlas_metadataddc (id, obs, filename, mjd, date_inserted) SELECT 9 + seq,"
        f" CONCAT('{_CAMERA}', {_FIRST_NIGHT} + (seq - 1) DIV {_EXPOSURES}, 'o',"
        f" LPAD(seq, 4, '0'), 'c'), seq, 1, NOW() FROM seq_1_to_{nights}",
        "ANALYZE TABLE atlas_detectionsddc",
    )


def _exposure(rows: int) -> int:
    return 1 if rows == _MANY else 2


def _connect(database: str) -> Any:
    url = make_url(database)
    return pymysql.connect(
        host=url.host or "localhost",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        autocommit=True,
        cursorclass=SSCursor,
    )


def _read_bare(database: str, rows: int) -> int:
    query = asteroid_detections(_exposure(rows), pkn_above=900)
    compiled = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    with _connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(str(compiled).replace("%%", "%"))
        return sum(1 for _ in cursor)


def _read_rows(database: str, rows: int) -> int:
    with Database.connect(DatabaseSettings(url=database)) as opened:
        return sum(1 for _ in opened.rows(asteroid_detections(_exposure(rows), pkn_above=900)))


def _read_nights(database: str, rows: int) -> int:
    count, selection = 0, Selection()
    with Database.connect(DatabaseSettings(url=database)) as opened:
        for night in range(rows // _IN_EXPOSURE // _EXPOSURES):
            found = select_night(
                opened,
                camera=_CAMERA,
                night=_FIRST_NIGHT + night,
                selection=selection,
                kind="real",
            )
            count += sum(len(exposure.detections) for exposure in found.exposures)
    return count


_READERS: dict[str, Callable[[str, int], int]] = {
    "bare": _read_bare,
    "rows": _read_rows,
    "nights": _read_nights,
}


if __name__ == "__main__":
    sys.exit(main())
