#!/usr/bin/env python3
"""How fast rows come out of MariaDB, and in how much memory, beside a bare PyMySQL cursor.

    python -m tests.mariadb benchmarks/database.py

Fills an empty database with two exposures, of 50 thousand and of 5 million known asteroids, and
with nights that hold as many together. Each reading is a process of its own: ``bare`` is PyMySQL's
streaming cursor, ``rows`` the same query through ``Database.rows``, ``nights`` the selection as
GetCutOuts makes it, night by night, in records. ``lists`` is getPS1TrainingSetCutouts.py whole,
from the database to the lists, of 50 thousand and 500 thousand Pan-STARRS stamps, whose files are
made too (empty but for a byte). They take turns; the figures are medians.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import SSCursor
from sqlalchemy import make_url
from sqlalchemy.dialects import mysql

from realbogus.cli import ArgumentParser, run
from realbogus.config import DatabaseSettings, write_config
from realbogus.database import Database
from realbogus.database.atlas import asteroid_detections
from realbogus.stages.cut_ps1 import cut_ps1
from realbogus.surveys.atlas import Selection, select_night

_FEW, _MANY = 50_000, 5_000_000
_MANY_STAMPS, _OF_OBJECT = 500_000, 10
_IN_EXPOSURE = 12_500
_EXPOSURES = 4
_CAMERA, _FIRST_NIGHT = "02a", 58_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("--database", required=True, help="URL of an empty database on MariaDB")
    parser.add_argument("--repeats", type=int, default=5, help="of each reading (%(default)s)")
    parser.add_argument("--reader", choices=_READERS, help="only read once: used by the benchmark")
    parser.add_argument("--rows", type=int, default=_MANY, help="to read once")
    parser.add_argument("--folder", type=Path, help="of the stamps, to read once")
    options = parser.parse_args(argv)
    work = _report if options.reader is None else _read
    return run(lambda: work(options), verbose=options.verbose)


def _report(options: argparse.Namespace) -> None:
    begin = time.perf_counter()
    with Database.open(options.database) as database:
        database.create_tables("atlas")
        database.create_tables("ps1")
    with _connect(options.database) as connection, connection.cursor() as cursor:
        for statement in _filling():
            cursor.execute(statement)
    print(f"filled in {time.perf_counter() - begin:.0f} s")
    with tempfile.TemporaryDirectory() as folder:
        _make_stamps(Path(folder), make_url(options.database).database or "")
        found: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _, case in product(range(options.repeats), _cases()):
            found.setdefault(case, []).append(_measure(options.database, folder, *case))
    bare = _medians(found["bare", _MANY])[0]
    for name in _READERS:
        (rate, peak), (_, low) = (_medians(found[name, count]) for count in (_many(name), _FEW))
        print(
            f"{name:7s} {rate:9,.0f} rows/s, {rate / bare:.2f} of bare; peak {peak:.0f} MB, "
            f"{peak - low:+.0f} MB from {_FEW:,} to {_many(name):,} rows"
        )


def _cases() -> Iterator[tuple[str, int]]:
    for name in _READERS:
        yield name, _many(name)
        yield name, _FEW


def _many(reader: str) -> int:
    return _MANY_STAMPS if reader == "lists" else _MANY


def _medians(values: Sequence[tuple[float, float]]) -> tuple[float, float]:
    rates, peaks = zip(*values, strict=True)
    return statistics.median(rates), statistics.median(peaks)


def _measure(database: str, folder: str, reader: str, rows: int) -> tuple[float, float]:
    command = [sys.executable, str(Path(__file__)), f"--database={database}"]
    command += [f"--reader={reader}", f"--rows={rows}", f"--folder={folder}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rate, peak = json.loads(done.stdout)
    return float(rate), float(peak)


def _read(options: argparse.Namespace) -> None:
    begin = time.perf_counter()
    count = _READERS[options.reader](options)
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
        *(statement for rows in (_FEW, _MANY_STAMPS) for statement in _filling_of_stamps(rows)),
        "ANALYZE TABLE atlas_detectionsddc, tcs_transient_objects, tcs_postage_stamp_images",
    )


def _filling_of_stamps(rows: int) -> Sequence[str]:
    """Give the statements that make so many stamps, of objects of a list of their own."""
    first = _first_object(rows)
    return (
        "INSERT INTO tcs_transient_objects (id, detection_list_id, followup_flag_date, ra_psf,"
        f" dec_psf) SELECT {first} + seq, {_list_of(rows)}, '2020-01-01', 10.123456, 20.123456"
        f" FROM seq_0_to_{rows // _OF_OBJECT - 1}",
        "INSERT INTO tcs_postage_stamp_images (image_type, image_filename, image_group_id,"
        f" pss_error_code, filter) SELECT 'diff', CONCAT({first} + seq DIV {_OF_OBJECT}, '_',"
        f" {_FIRST_NIGHT}, '_', seq, '_7_diff'), 1, 0, 'r.00000' FROM seq_0_to_{rows - 1}",
    )


def _first_object(rows: int) -> int:
    return 1_010_000_000_000_000_000 + rows * 1000


def _list_of(rows: int) -> int:
    return 2 if rows == _FEW else 3


def _make_stamps(folder: Path, database: str) -> None:
    night = folder / database / str(_FIRST_NIGHT)
    night.mkdir(parents=True)
    for rows in (_FEW, _MANY_STAMPS):
        for number in range(rows):
            identifier = _first_object(rows) + number // _OF_OBJECT
            (night / f"{identifier}_{_FIRST_NIGHT}_{number}_7_diff.fits").write_bytes(b"x")


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


def _read_bare(options: argparse.Namespace) -> int:
    query = asteroid_detections(_exposure(options.rows), pkn_above=900)
    compiled = query.compile(dialect=mysql.dialect(), compile_kwargs={"literal_binds": True})
    with _connect(options.database) as connection, connection.cursor() as cursor:
        cursor.execute(str(compiled).replace("%%", "%"))
        return sum(1 for _ in cursor)


def _read_rows(options: argparse.Namespace) -> int:
    query = asteroid_detections(_exposure(options.rows), pkn_above=900)
    with Database.connect(DatabaseSettings(url=options.database)) as opened:
        return sum(1 for _ in opened.rows(query))


def _read_nights(options: argparse.Namespace) -> int:
    count, selection = 0, Selection()
    with Database.connect(DatabaseSettings(url=options.database)) as opened:
        for night in range(options.rows // _IN_EXPOSURE // _EXPOSURES):
            found = select_night(
                opened,
                camera=_CAMERA,
                night=_FIRST_NIGHT + night,
                selection=selection,
                kind="real",
            )
            count += sum(len(exposure.detections) for exposure in found.exposures)
    return count


def _make_lists(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as location:
        config = Path(location) / "config.yaml"
        write_config(
            config,
            {
                "databases": {"local": {"url": options.database}},
                "images": {"root": str(options.folder)},
            },
        )
        good_list = _list_of(options.rows)
        cut_ps1(config, location=Path(location), good_list=good_list, image_type="good")
        with (Path(location) / "good.txt").open() as rows:
            return sum(not row.startswith("#") for row in rows)


_READERS: dict[str, Callable[[argparse.Namespace], int]] = {
    "bare": _read_bare,
    "rows": _read_rows,
    "nights": _read_nights,
    "lists": _make_lists,
}


if __name__ == "__main__":
    sys.exit(main())
