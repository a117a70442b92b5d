"""ATLAS exposures: the image file of each, and the rows of what was found in it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from realbogus.fitsfiles import write_packed
from realbogus.parallel import map_unordered
from realbogus.simulation.catalogue import Row, detection_rows, header_cards
from realbogus.simulation.exposure import MASK_VALUE, Conditions, draw_conditions, make_exposure
from realbogus.simulation.plan import Visit, generator
from realbogus.simulation.population import (
    FAMILY,
    Item,
    asteroid_magnitude,
    draw_kind,
    draw_ordinary,
)
from realbogus.simulation.promoted import PromotedObject

__all__ = ["Observed", "observe", "observe_all"]

_WRONG_LABELS = 0.01
_CLEAR = 25.0
_LEFT_CROWDED = 0.1
_TRIES = 6
_MISTAKEN = {"noise_peak": 0.4, "dipole": 0.3, "ring": 0.1, "cosmic_ray": 0.1, "raised_noise": 0.1}


@dataclass(frozen=True)
class Observed:
    """The rows of one exposure, whose image is written.

    Parameters
    ----------
    visit : Visit
        What was asked for.
    conditions : Conditions
        Of the exposure.
    items : list of Item
        What was found.
    rows : list of dict
        Of ``atlas_detectionsddc``, in the same order, without ids.
    """

    visit: Visit
    conditions: Conditions
    items: list[Item]
    rows: list[Row]


def observe_all(visits: list[Visit], root: Path, *, workers: int) -> list[Observed]:
    """Make every exposure, and give their rows in the order of the survey.

    Parameters
    ----------
    visits : list of Visit
        The plan.
    root : Path
        Folder of the images.
    workers : int
        How many to make at a time.
    """
    jobs = [(visit, root) for visit in visits]
    done = map_unordered(observe, jobs, workers=workers, label="exposures")
    return sorted(done, key=lambda observed: observed.visit.index)


def observe(job: tuple[Visit, Path]) -> Observed:
    """Make one exposure, and write its image under ``root/<camera>/<night>``."""
    visit, root = job
    rng = generator(visit.seed, visit.obs)
    pointing = visit.field.pointing
    conditions = draw_conditions(pointing.size, rng, scale=pointing.scale)
    exposure = make_exposure(conditions, _items(visit, conditions, rng), rng)
    path = root / visit.camera / str(visit.night) / f"{visit.obs}.diff.fz"
    write_packed(path, exposure.pixels, header_cards(visit, conditions, MASK_VALUE))
    if visit.camera == "05r":
        _spoil_filter_card(path, visit.obs[13])
    rows = detection_rows(visit, conditions, exposure, rng)
    return Observed(visit, conditions, exposure.items, rows)


def _spoil_filter_card(path: Path, band: str) -> None:
    """Take the quotes from the FILTER card, as in the files of camera 05r."""
    content = path.read_bytes()
    proper = f"FILTER  = '{band:<8}'".encode()
    path.write_bytes(content.replace(proper, f"FILTER  = {band:<10}".encode(), 1))


def _items(visit: Visit, conditions: Conditions, rng: np.random.Generator) -> list[Item]:
    size = conditions.noise.size
    promoted = [
        _seen(promoted, key, visit.shift)
        for key, promoted in enumerate(visit.field.objects)
        if rng.uniform() < 0.95
    ]
    ordinary = [draw_ordinary(size, rng) for _ in range(visit.counts.ordinary)]
    places = _clear_places(
        round(1.08 * visit.counts.asteroids), [*promoted, *ordinary], size=size, rng=rng
    )
    known = [_known_asteroid(conditions, place, rng) for place in places]
    items = [*known, *promoted, *ordinary]
    return [items[i] for i in rng.permutation(len(items))]


def _clear_places(
    count: int, others: list[Item], *, size: tuple[int, int], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Draw places for asteroids, most of them clear of everything else.

    A small image that is to have as many detections as a large one is far more crowded than the
    sky; most asteroids are drawn again while something else is in their stamp.
    """
    ny, nx = size
    places = rng.uniform(12.0, (nx - 12.0, ny - 12.0), (count, 2))
    if not others:
        return [(float(column), float(row)) for column, row in places]
    tree = KDTree([(item.column, item.row) for item in others])
    for _ in range(_TRIES):
        crowded = tree.query(places)[0] < _CLEAR
        crowded &= rng.uniform(size=count) > _LEFT_CROWDED
        places[crowded] = rng.uniform(12.0, (nx - 12.0, ny - 12.0), (int(crowded.sum()), 2))
    return [(float(column), float(row)) for column, row in places]


def _known_asteroid(
    conditions: Conditions, place: tuple[float, float], rng: np.random.Generator
) -> Item:
    """Draw a detection at the place where a known asteroid was due; now and then of something else.

    A few have the code of an elongated or negative detection, which the selection leaves out.
    """
    wrong = rng.uniform() < _WRONG_LABELS
    kind = draw_kind(_MISTAKEN, rng) if wrong else "asteroid"
    det = int(rng.choice([0, 1, 2, 5], p=[0.93, 0.05, 0.01, 0.01]))
    return Item(
        kind,
        "known",
        *place,
        asteroid_magnitude(conditions.limit, rng) - conditions.limit,
        -1 if det == 5 else 1,
        det,
        "ptr" if rng.uniform() < 0.7 else "pmv",
    )


def _seen(promoted: PromotedObject, key: int, shift: tuple[int, int]) -> Item:
    return Item(
        promoted.kind,
        "promoted",
        promoted.column + shift[0],
        promoted.row + shift[1],
        promoted.depth,
        promoted.sign,
        promoted.det,
        FAMILY[promoted.kind],
        key,
    )
