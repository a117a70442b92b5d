"""A Pan-STARRS database and its stamps, made row by row for tests."""

import sqlite3
from datetime import date
from functools import cache
from itertools import count

import numpy as np

from realbogus.config import write_config
from realbogus.database import Database
from realbogus.fitsfiles import write_packed

GOOD, BAD, ATTIC = 2, 0, 5
REAL, BOGUS = 3000, 1000
GPC1, GPC2 = "r.00000", "r.00002"
NIGHT = 57001


@cache
def _empty_database():
    """Write the tables in SQL, which makes them faster than one by one."""
    with Database.open("sqlite://") as database:
        database.create_tables("ps1")
        lines = database._connection.connection.iterdump()
        return "PRAGMA synchronous = OFF;" + "".join(lines)


class Ps1Survey:
    """A folder with config.yaml, and stamps under ``images/<database>/<night>/``.

    Its database is the folder's survey.db; or the empty one of a server that its owner fills by
    ``url``, and that ``local`` of the configuration names for reading.
    """

    def __init__(self, folder, *, url=None, local=None):
        self.folder = folder
        self.images = folder / "images"
        self.config = folder / "config.yaml"
        self.url = url or f"sqlite:///{folder / 'survey.db'}"
        self.local = local or {"url": "sqlite:///survey.db"}
        self._numbers = count(1)
        folder.mkdir(parents=True, exist_ok=True)
        self.write_config()
        if url is None:
            self._make_file()
        else:
            with Database.open(url) as database:
                database.create_tables("ps1")

    def _make_file(self):
        with sqlite3.connect(self.folder / "survey.db") as connection:
            connection.executescript(_empty_database())
        connection.close()

    def write_config(self, **blocks):
        local = {"databases": {"local": self.local}}
        write_config(
            self.config, {**local, "survey": "ps1", "images": {"root": "images"}, **blocks}
        )

    def insert(self, table, **values):
        with Database.open(self.url) as database:
            if self.url.startswith("sqlite"):
                database._connection.exec_driver_sql("PRAGMA synchronous = OFF")
            database.insert(table, [values])

    def add_object(self, identifier, list_id, **changes):
        """Add an object that either selection takes, but for what ``changes``."""
        values = {
            "id": identifier,
            "detection_list_id": list_id,
            "confidence_factor": 0.1,
            "sherlockClassification": "ORPHAN",
            "followup_flag_date": date(2019, 5, 1),
            "ra_psf": 150.25,
            "dec_psf": -3.5,
        }
        self.insert("tcs_transient_objects", **{**values, **changes})
        return identifier

    def add_mover(self, identifier, *comments, **changes):
        self.add_object(identifier, ATTIC, **{"observation_status": "mover", **changes})
        for comment in comments:
            self.insert("tcs_object_comments", transient_object_id=identifier, comment=comment)
        return identifier

    def add_stamp(self, identifier, *, name=None, file=True, pixels=None, **changes):
        """Add a stamp's row, and its file."""
        number = next(self._numbers)
        name = name or f"{identifier}_{NIGHT}.{number:03d}_{number}_7_diff"
        values = {"image_type": "diff", "image_group_id": 1, "pss_error_code": 0, "filter": GPC1}
        self.insert("tcs_postage_stamp_images", image_filename=name, **{**values, **changes})
        if file:
            self.write_stamp(name, pixels)
        return name

    def path_of(self, name):
        return (
            self.images
            / self.local.get("database", "survey")
            / name.split("_")[1][:5]
            / f"{name}.fits"
        )

    def write_stamp(self, name, pixels=None):
        if pixels is None:
            pixels = np.zeros((30, 30), np.float32)
        write_packed(self.path_of(name), pixels, {})


def make_large_survey(folder, *, objects, stamps_each):
    """Make a survey of many real objects, a few bogus and one missing stamp, all at once."""
    survey = make_survey(folder, reals=0)
    names = [
        [f"{identifier}_{NIGHT}.{number:03d}_{number}_7_diff" for number in range(stamps_each)]
        for identifier in range(REAL, REAL + objects)
    ]
    with sqlite3.connect(folder / "survey.db") as connection:
        connection.executemany(
            "INSERT INTO tcs_transient_objects (id, detection_list_id, followup_flag_date, ra_psf,"
            f" dec_psf) VALUES (?, {GOOD}, '2019-05-01', 150.25, -3.5)",
            ((identifier,) for identifier in range(REAL, REAL + objects)),
        )
        connection.executemany(
            "INSERT INTO tcs_postage_stamp_images (image_filename, image_type, image_group_id,"
            f" pss_error_code, filter) VALUES (?, 'diff', 1, 0, '{GPC1}')",
            ((name,) for of_object in names for name in of_object),
        )
    connection.close()
    for name in (name for of_object in names for name in of_object):
        survey.path_of(name).write_bytes(b"x")
    survey.path_of(names[-1][-1]).unlink()
    return survey


def make_survey(folder, *, reals=3, bogus=4, **place):
    """Make a survey of objects of one stamp each: the real from 3000, the bogus from 1000."""
    survey = Ps1Survey(folder, **place)
    for list_id, first, number in ((GOOD, REAL, reals), (BAD, BOGUS, bogus)):
        for identifier in range(first, first + number):
            survey.add_stamp(survey.add_object(identifier, list_id))
    return survey
