"""Every kind of source and artefact."""

from dataclasses import replace

import numpy as np
import pytest

from realbogus.simulation.artefacts import ARTEFACTS
from realbogus.simulation.drawing import Brush, Canvas, Drawing, peak
from realbogus.simulation.psf import Psf, grid
from realbogus.simulation.sources import SOURCES, trailed

DRAWINGS = {**SOURCES, **ARTEFACTS}
BRUSH = Brush(Psf(2.4, 2.0, 30.0), flux=4000.0, sigma=30.0, dx=0.3, dy=-0.4)
PROMISED = (
    "dipole ring raised_noise saturated_star bleed cosmic_ray hot_pixel burn crosstalk satellite "
    "fan ghost mask_edge noise_peak variable_star"
)


def test_every_promised_artefact_exists() -> None:
    assert set(ARTEFACTS) == set(PROMISED.split())


@pytest.mark.parametrize("kind", DRAWINGS)
def test_drawing_is_a_finite_odd_square(kind: str, rng: np.random.Generator) -> None:
    for _ in range(20):
        drawing = DRAWINGS[kind](BRUSH, rng)
        assert drawing.pixels.shape == (2 * drawing.half + 1,) * 2
        assert drawing.pixels.dtype == np.float32
        assert np.isfinite(drawing.pixels).all()
        assert drawing.masked is None or drawing.masked.shape == drawing.pixels.shape


@pytest.mark.parametrize("kind", DRAWINGS)
def test_search_finds_about_the_flux_that_was_asked_for(
    kind: str, rng: np.random.Generator
) -> None:
    found = [peak(DRAWINGS[kind](BRUSH, rng).pixels, BRUSH.psf, 6.0)[0] for _ in range(60)]
    assert np.median(found) == pytest.approx(BRUSH.flux, rel=0.35)


@pytest.mark.parametrize("kind", DRAWINGS)
def test_same_random_numbers_give_the_same_drawing(kind: str) -> None:
    first, second = (DRAWINGS[kind](BRUSH, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)


@pytest.mark.parametrize("kind", ["saturated_star", "mask_edge", "bleed"])
def test_masking_artefact_masks_pixels_but_not_its_middle(
    kind: str, rng: np.random.Generator
) -> None:
    masks = [DRAWINGS[kind](BRUSH, rng).masked for _ in range(10)]
    assert all(mask is not None and mask.any() for mask in masks)
    assert not any(mask[len(mask) // 2, len(mask) // 2] for mask in masks if mask is not None)


def test_point_source_lies_at_its_subpixel_position(rng: np.random.Generator) -> None:
    pixels = SOURCES["point_source"](replace(BRUSH, gain=1e9), rng).pixels
    dx, dy = grid(pixels.shape[0] // 2)
    assert (pixels * dx).sum() / pixels.sum() == pytest.approx(0.3, abs=0.02)
    assert (pixels * dy).sum() / pixels.sum() == pytest.approx(-0.4, abs=0.02)


def test_trail_is_as_long_as_the_motion_and_keeps_the_light() -> None:
    still, moved = trailed(BRUSH, 0.0, 0.0), trailed(BRUSH, 6.0, 0.0)
    assert moved.sum() == pytest.approx(still.sum(), rel=0.02)
    dx = grid(moved.shape[0] // 2, 0.3)[0]
    spread = np.sqrt((moved * dx**2).sum() / moved.sum())
    assert spread > np.sqrt(6.0**2 / 12.0)


@pytest.mark.parametrize("kind", ["cosmic_ray", "hot_pixel"])
def test_particle_hits_are_sharper_than_the_psf(kind: str, rng: np.random.Generator) -> None:
    wide = replace(BRUSH, psf=Psf(4.0, 4.0))
    share = [pixels.max() / pixels[pixels > 0].sum() for pixels in _draw(kind, wide, rng)]
    assert np.median(share) > 2.0 * wide.psf(*grid(0)).max()


def test_dipole_has_a_dark_lobe(rng: np.random.Generator) -> None:
    depth = [-pixels.min() / pixels.max() for pixels in _draw("dipole", BRUSH, rng)]
    assert np.median(depth) > 0.3


def test_crosstalk_and_burn_are_broader_than_the_psf(rng: np.random.Generator) -> None:
    psf_height = BRUSH.flux * BRUSH.psf(*grid(0)).max()
    for kind in ("crosstalk", "burn"):
        heights = [pixels.max() for pixels in _draw(kind, BRUSH, rng)]
        assert np.median(heights) < psf_height


def test_drawing_is_cut_at_the_edge_of_the_canvas() -> None:
    canvas = Canvas(np.zeros((8, 10), np.float32), np.zeros((8, 10), np.bool_))
    box = np.arange(25, dtype=np.float32).reshape(5, 5)
    canvas.paste(Drawing(box, box > 23), 9, 7)
    np.testing.assert_array_equal(canvas.pixels[5:, 7:], box[:3, :3])
    canvas.paste(Drawing(box, box > 23), -2, -2)
    assert canvas.pixels[0, 0] == 24
    assert canvas.masked.sum() == 1
    canvas.paste(Drawing(box), 40, 40)
    canvas.paste(Drawing(box), 7, 3, sign=-1)
    assert canvas.pixels[3, 7] == -12


def _draw(kind: str, brush: Brush, rng: np.random.Generator) -> list[np.ndarray]:
    return [DRAWINGS[kind](brush, rng).pixels for _ in range(60)]
