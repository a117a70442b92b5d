"""Rows of the ATLAS database for what was found in one exposure."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from realbogus.simulation.exposure import Conditions, Exposure
from realbogus.simulation.plan import Visit
from realbogus.simulation.pointing import htm_index
from realbogus.simulation.population import Item
from realbogus.simulation.promoted import mjd_to_datetime

__all__ = [
    "P_COLUMNS",
    "Row",
    "detection_rows",
    "header_cards",
    "metadata_row",
    "single",
]

Row = dict[str, object]

P_COLUMNS = ("pvr", "ptr", "pmv", "pkn", "pno", "pbn", "pcr", "pxt", "psc")
"""Chances of 0 to 999 that a detection is variable, transient, mover, known mover, noise, burn,
cosmic ray, crosstalk, or scar of a star."""

_DUPLICATES = {0: 0.967, -1: 0.018, 1: 0.011, -2: 0.0015, 2: 0.0015, -3: 0.0005, 3: 0.0005}


def single(value: float) -> float:
    """Round to what a FLOAT column of the server keeps."""
    return float(np.float32(value))


def header_cards(visit: Visit, conditions: Conditions, mask_value: int) -> dict[str, object]:
    """Give the header of a difference image, with the keywords of the real ones."""
    psf = conditions.psf.centre
    sky = 1500.0 * (conditions.noise.sigma / 30.0) ** 2
    start = round(visit.mjd - conditions.texp / 172800.0, 6)
    return {
        "OBJECT": f"{visit.camera}{visit.obs[9:13]}",
        "OBSNAME": visit.obs,
        "FILTER": visit.obs[13],
        "EXPTIME": conditions.texp,
        "DATE-OBS": mjd_to_datetime(start).isoformat(),
        "MJD-OBS": start,
        "MAGZPT": round(conditions.zero_point, 3),
        "FWHM": round(psf.fwhm, 4),
        "SATURATE": 42105.0,
        "GAIN": 1.9,
        "RDNOISE": 5.822,
        "SKYADU": round(sky, 1),
        "SKYRMS": round(2.1 * conditions.noise.sigma, 2),
        "SECPIX": visit.pointing.scale,
        "MASKVAL": float(mask_value),
        "DETECTOR": "STA1600LN" if visit.camera != "05r" else "IMX455",
        **visit.pointing.cards(),
    }


def metadata_row(visit: Visit, conditions: Conditions, number: int) -> Row:
    """Give the row of an exposure in ``atlas_metadataddc``."""
    pointing, psf = visit.pointing, conditions.psf.centre
    middle = np.array([pointing.ra]), np.array([pointing.dec])
    floats = {
        "texp": conditions.texp,
        "pa": pointing.angle,
        "fwmaj": psf.major,
        "fwmin": psf.minor,
        "psfpa": psf.angle,
        "scale": pointing.scale,
        "rarms": 0.11,
        "decrms": 0.10,
        "magzpt": conditions.zero_point,
        "skymag": 19.64,
        "cloud": 0.997,
        "mag5sig": conditions.limit,
        "az": 180.0,
        "alt": 60.0,
        "sunelong": 140.0,
        "gain": 1.9,
    }
    return {
        "id": number,
        "filename": f"{visit.obs}.ddc",
        "obs": visit.obs,
        "obj": f"TA{pointing.ra:03.0f}{pointing.dec:+03.0f}",
        "filt": visit.obs[13],
        "mjd": visit.mjd,
        "ra": pointing.ra,
        "dec": pointing.dec,
        "nx": pointing.size[1],
        "ny": pointing.size[0],
        **{name: single(value) for name, value in floats.items()},
        "ddcver": "1.3",
        "input": f"{visit.obs}.fits",
        "reference": "wallpaper",
        "htm16ID": int(htm_index(*middle)[0]),
        "date_inserted": _inserted(visit),
    }


def _inserted(visit: Visit) -> datetime:
    """Give the time at which an exposure's rows came into the database: some minutes later."""
    return mjd_to_datetime(visit.mjd) + timedelta(minutes=25)


def detection_rows(
    visit: Visit, conditions: Conditions, exposure: Exposure, rng: np.random.Generator
) -> list[Row]:
    """Give the rows of an exposure in ``atlas_detectionsddc``, but for the ids."""
    fits = exposure.fits
    ra, dec = visit.pointing.to_sky(fits.column, fits.row)
    triangles = htm_index(ra, dec)
    magnitude = conditions.magnitude(fits.flux) * np.sign(fits.flux)
    shapes = _shapes(conditions, exposure.items, rng)
    wide = rng.normal(1.0, 0.05, len(exposure.items)) * fits.flux
    date = _inserted(visit)
    return [
        {
            "det_id": i,
            "ra": float(ra[i]),
            "dec": float(dec[i]),
            "mag": single(magnitude[i]),
            "dmag": single(1.0857 / abs(fits.snr[i])),
            "x": single(fits.column[i] + 0.5),
            "y": single(fits.row[i] + 0.5),
            **{name: single(values[i]) for name, values in shapes.items()},
            "det": item.det,
            "chin": single(min(fits.chin[i], 1e6)),
            **_chances(item, visit, rng),
            "dup": _duplicate(rng),
            "wpflx": single(wide[i]),
            "dflx": single(fits.noise[i]),
            "realbogus_factor": single(rng.uniform()),
            "htm16ID": int(triangles[i]),
            "quality_threshold_pass": True,
            "deprecated": None,
            "date_inserted": date,
            "date_modified": None,
        }
        for i, item in enumerate(exposure.items)
    ]


def _shapes(
    conditions: Conditions, items: list[Item], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Give the fitted widths and angles: the exposure's own, but for elongated detections."""
    psf = conditions.psf.centre
    stretch = np.array([rng.uniform(1.3, 2.5) if item.det in (1, 4) else 1.0 for item in items])
    jitter = rng.normal(1.0, 0.004, (2, len(items)))
    return {
        "major": 0.92 * psf.major * stretch * jitter[0],
        "minor": 0.90 * psf.minor * jitter[1],
        "phi": (psf.angle + rng.normal(0.0, 2.0, len(items))) % 180.0,
    }


def _chances(item: Item, visit: Visit, rng: np.random.Generator) -> dict[str, int]:
    """Draw the ``p*`` columns: the item's family is the largest, pkn apart."""
    largest = int(rng.integers(350, 1000))
    rest = np.minimum(rng.exponential(70.0, len(P_COLUMNS)).astype(int), largest - 1)
    chances = dict(zip(P_COLUMNS, (int(value) for value in rest), strict=True))
    chances[item.family] = largest
    chances["pkn"] = _known(item, visit, rng)
    return chances


def _known(item: Item, visit: Visit, rng: np.random.Generator) -> int:
    if item.role == "known":
        return int(rng.integers(901, 1000))
    if item.key >= 0:
        return visit.field.objects[item.key].pkn
    return int(rng.integers(1, 901)) if rng.uniform() < 0.01 else 0


def _duplicate(rng: np.random.Generator) -> int:
    chance, total = rng.uniform(), 0.0
    for value, share in _DUPLICATES.items():
        total += share
        if chance < total:
            return value
    return 0
