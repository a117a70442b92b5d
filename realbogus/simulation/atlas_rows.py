"""Ids for the rows of an ATLAS survey, and the tables that follow from the detections."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from realbogus.database import Database
from realbogus.simulation.atlas import Observed
from realbogus.simulation.atlas_stamps import stamp_name
from realbogus.simulation.catalogue import Row, metadata_row, single
from realbogus.simulation.pointing import position_code
from realbogus.simulation.population import Item
from realbogus.simulation.promoted import GARBAGE, LISTS, PromotedObject
from realbogus.simulation.truth import Truth

__all__ = ["Numbers", "fill_atlas_database"]

_FIRST_DETECTION = 2**32 + 70_368_744
_FIRST_EXPOSURE = 3_100_000
_FIRST_GROUP = 2**32 + 5_000_000


@dataclass
class Numbers:
    """Ids as a busy server gives them: growing, with gaps, and beyond 32 bits.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the gaps.
    """

    rng: np.random.Generator
    detection: int = _FIRST_DETECTION
    exposure: int = _FIRST_EXPOSURE
    objects: set[int] = field(default_factory=set)

    def next_exposure(self) -> int:
        """Give an exposure's id, and leave a gap in the detections'."""
        self.exposure += int(self.rng.integers(1, 4))
        self.detection += int(self.rng.integers(10_000, 3_000_000))
        return self.exposure

    def next_detection(self) -> int:
        """Give a detection's id."""
        self.detection += 1 if self.rng.uniform() < 0.98 else int(self.rng.integers(2, 50))
        return self.detection

    def new_object(self, row: Row) -> int:
        """Give the id of a new object: its position code, and a spare digit if that is taken."""
        code = position_code(float(str(row["ra"])), float(str(row["dec"])))
        while code in self.objects:
            code += 1
        self.objects.add(code)
        return code


@dataclass
class _Sighting:
    """A promoted object so far: its id, and its detections' rows and MJDs."""

    promoted: PromotedObject
    id: int
    rows: list[Row] = field(default_factory=list)
    mjds: list[float] = field(default_factory=list)


def fill_atlas_database(
    database: Database, observed: Sequence[Observed], rng: np.random.Generator
) -> Iterator[Truth]:
    """Fill the tables, one exposure at a time, and give the truth about each detection.

    Parameters
    ----------
    database : Database
        With empty tables.
    observed : sequence of Observed
        The exposures in order.
    rng : numpy.random.Generator
        Of the gaps between ids.
    """
    numbers, sightings = Numbers(rng), dict[int, _Sighting]()
    for exposure in observed:
        number = numbers.next_exposure()
        database.insert(
            "atlas_metadataddc", [metadata_row(exposure.visit, exposure.conditions, number)]
        )
        objects = [
            row
            for item, detection in zip(exposure.items, exposure.rows, strict=True)
            if (row := _place(item, detection, exposure, number, numbers, sightings)) is not None
        ]
        database.insert("atlas_detectionsddc", exposure.rows)
        database.insert("atlas_diff_objects", objects)
        database.insert("tcs_postage_stamp_images", _stamps(exposure))
        yield from map(_truth_of(exposure), exposure.items, exposure.rows)
    database.insert("atlas_diff_objects", map(_promoted_row, sightings.values()))
    database.insert("tcs_latest_object_stats", map(_statistics_row, sightings.values()))


def _place(
    item: Item,
    row: Row,
    exposure: Observed,
    number: int,
    numbers: Numbers,
    sightings: dict[int, _Sighting],
) -> Row | None:
    """Complete a detection's row; give the row of its object if nobody will look at that again."""
    row["id"] = numbers.next_detection()
    row["atlas_metadata_id"] = number
    row["image_group_id"] = None
    if item.key < 0:
        row["atlas_object_id"] = numbers.new_object(row)
        return _object_row(row)
    field = exposure.visit.field
    key = field.first_key + item.key
    if key not in sightings:
        sightings[key] = _Sighting(field.objects[item.key], numbers.new_object(row))
    sighting = sightings[key]
    sighting.rows.append(row)
    sighting.mjds.append(exposure.visit.mjd)
    row["atlas_object_id"] = sighting.id
    if sighting.promoted.stamped:
        row["image_group_id"] = int(str(row["id"])) + _FIRST_GROUP
    return None


def _object_row(row: Row) -> Row:
    return {
        "id": row["atlas_object_id"],
        "detection_id": row["id"],
        "htm16ID": row["htm16ID"],
        "ra": row["ra"],
        "dec": row["dec"],
        "date_inserted": row["date_inserted"],
        "detection_list_id": None,
        "realbogus_factor": row["realbogus_factor"],
        "zooniverse_score": None,
        "followup_id": None,
        "followup_flag_date": None,
        "observation_status": None,
        "sherlockClassification": None,
        "ndetections": 1,
    }


def _promoted_row(sighting: _Sighting) -> Row:
    promoted = sighting.promoted
    factor, score = promoted.realbogus_factor, promoted.zooniverse_score
    return {
        **_object_row(sighting.rows[0]),
        "detection_list_id": promoted.list_id,
        "realbogus_factor": None if factor is None else single(factor),
        "zooniverse_score": None if score is None else single(score),
        "followup_id": sighting.id % 1_000_003,
        "followup_flag_date": promoted.flagged.replace(microsecond=0),
        "observation_status": "mover" if promoted.kind == "asteroid" else None,
        "sherlockClassification": _SHERLOCK.get(promoted.kind, "ORPHAN"),
        "ndetections": len(sighting.rows),
    }


_SHERLOCK = {
    "supernova": "SN",
    "variable_star": "VS",
    "dipole": "VS",
    "ring": "BS",
    "saturated_star": "BS",
    "bleed": "BS",
    "fan": "BS",
}


def _statistics_row(sighting: _Sighting) -> Row:
    ra = np.array([row["ra"] for row in sighting.rows], dtype=float)
    dec = np.array([row["dec"] for row in sighting.rows], dtype=float)
    return {
        "id": sighting.id,
        "latest_mjd": sighting.mjds[-1],
        "earliest_mjd": sighting.mjds[0],
        "ra_avg": float(ra.mean()),
        "dec_avg": float(dec.mean()),
        "latest_mag": sighting.rows[-1]["mag"],
        "earliest_mag": sighting.rows[0]["mag"],
        "rms": single(3600.0 * float(np.hypot(ra.std(), dec.std()))),
        "separation": None,
        "external_crossmatches": sighting.promoted.crossmatches,
        "catalogue": None,
    }


def _stamps(exposure: Observed) -> Iterator[Row]:
    """Give the rows of the survey's own stamps of promoted objects."""
    for row in exposure.rows:
        if row["image_group_id"] is None:
            continue
        stem = stamp_name(exposure, row)
        for kind in ("diff", "target", "ref"):
            yield {
                "image_type": kind,
                "image_filename": f"{stem}_{kind}",
                "pss_filename": None,
                "mjd_obs": exposure.visit.mjd,
                "image_group_id": row["image_group_id"],
                "pss_error_code": 0,
                "filter": exposure.visit.obs[13],
                "mask_ratio": 0.0,
                "mask_ratio_at_core": 0.0,
            }


def _truth_of(exposure: Observed) -> Callable[[Item, Row], Truth]:
    limit = exposure.conditions.limit

    def truth(item: Item, row: Row) -> Truth:
        promoted = exposure.visit.field.objects[item.key] if item.key >= 0 else None
        return Truth(
            detection=int(str(row["id"])),
            object=int(str(row["atlas_object_id"])),
            exposure=exposure.visit.obs,
            x=float(str(row["x"])),
            y=float(str(row["y"])),
            mag=round(limit + item.depth, 3),
            kind=item.kind,
            role=item.role if promoted is None else LISTS[promoted.list_id][0],
            real=int(item.real),
            label=_label(item, promoted),
        )

    return truth


def _label(item: Item, promoted: PromotedObject | None) -> int:
    """Give the label of the default selection: 1 real, 0 bogus, -1 left out."""
    if item.det != 0 or item.sign < 0:
        return -1
    if item.role == "known":
        return 1
    if promoted is None or promoted.list_id != GARBAGE or promoted.pkn > 0:
        return -1
    chosen = promoted.stamped and promoted.crossmatches is None and promoted.score_is_low
    return 0 if chosen else -1
