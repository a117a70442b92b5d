"""What goes wrong in a night: exposures of a finished survey whose pixels are spoiled.

What the survey found stays as it was, as if the fault had come after its search.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from realbogus.fitsfiles import write_packed
from realbogus.images import DifferenceImage, cut_stamps, read_image
from realbogus.options import require_choice
from realbogus.simulation.atlas_stamps import STAMP_SIZE
from realbogus.simulation.exposure import MASK_VALUE
from realbogus.simulation.plan import generator
from realbogus.stamps import exposure_cards, write_stamp

__all__ = ["FAULTS", "spoil"]

_BLUR = 2.5
_TIMES = 3.0
_MAD = 1.4826
_STRUCTURE = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "EXTNAME", "EXTEND")

Floats = NDArray[np.float64]


def spoil(folder: Path, exposures: Sequence[str], fault: str, *, seed: int = 0) -> None:
    """Spoil the images of some exposures of an ATLAS survey, and the postage stamps cut from them.

    Parameters
    ----------
    folder : Path
        What `realbogus.simulation.simulate` made.
    exposures : sequence of str
        Their names.
    fault : str
        One of `FAULTS`.
    seed : int
        Of the noise.

    Raises
    ------
    ConfigError
        If there is no such fault.
    """
    require_choice("fault", fault, FAULTS)
    places = _places(folder / "truth.csv")
    for obs in exposures:
        path = folder / "diff" / obs[:3] / obs[3:8] / f"{obs}.diff.fz"
        image = read_image(path)
        pixels = image.pixels.astype(np.float64)
        pixels[image.pixels == MASK_VALUE] = np.nan
        spoiled = FAULTS[fault](pixels, generator(seed, obs, fault))
        integers = np.where(np.isnan(spoiled), MASK_VALUE, np.rint(spoiled)).astype(np.int16)
        write_packed(path, integers, _cards(image))
        _cut_anew(folder, obs, places, DifferenceImage(integers, MASK_VALUE, image.header))


def _defocus(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Blur what is there, and bring its noise back to what it was."""
    masked = np.isnan(pixels)
    level = _noise(pixels)
    blurred: Floats = gaussian_filter(np.where(masked, 0.0, pixels), _BLUR)
    rest = max(level**2 - _noise(blurred) ** 2, 0.0) ** 0.5
    return np.where(masked, np.nan, blurred + rng.normal(0.0, rest, pixels.shape))


def _more_noise(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Make the noise three times as strong."""
    more = _noise(pixels) * (_TIMES**2 - 1) ** 0.5
    return pixels + rng.normal(0.0, more, pixels.shape)


def _masked_quadrant(pixels: Floats, rng: np.random.Generator) -> Floats:
    """Mask a quarter of the image, any of the four."""
    halves = rng.integers(0, 2, 2)
    spoiled = pixels.copy()
    rows, columns = (
        slice(side // 2 * half, side // 2 * (half + 1))
        for side, half in zip(pixels.shape, halves, strict=True)
    )
    spoiled[rows, columns] = np.nan
    return spoiled


FAULTS: Mapping[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "wrong PSF": _defocus,
    "tripled noise": _more_noise,
    "masked quadrant": _masked_quadrant,
}
"""From the pixels of an image, shape (ny, nx), masked NaN, to those of a spoiled one."""


def _noise(pixels: Floats) -> float:
    """Give the standard deviation of the sky."""
    return float(_MAD * np.nanmedian(np.abs(pixels - np.nanmedian(pixels))))


def _cards(image: DifferenceImage) -> dict[str, object]:
    names = [name for name in dict.fromkeys(image.header) if name and name.isupper()]
    return {name: image.header[name] for name in names if not name.startswith(_STRUCTURE)}


def _places(truth: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """Give the positions of detections by exposure and object."""
    with truth.open(encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        return {
            (row["exposure"], row["object"]): (float(row["x"]), float(row["y"])) for row in rows
        }


def _cut_anew(
    folder: Path,
    obs: str,
    places: Mapping[tuple[str, str], tuple[float, float]],
    image: DifferenceImage,
) -> None:
    shared = exposure_cards(image.header)
    for path in sorted((folder / "diff").glob(f"*/{obs[3:8]}/*_{obs}_*_diff.fits")):
        x, y = places[obs, path.name.partition("_")[0]]
        (stamp,) = cut_stamps(image, np.array([x]), np.array([y]), size=STAMP_SIZE)
        pixels = np.where(np.isnan(stamp), np.float32(MASK_VALUE), stamp)
        cards = [("EXPNAME", obs), ("MASKVAL", float(MASK_VALUE))]
        path.unlink()
        write_stamp(path, pixels, shared=shared, cards=cards)
