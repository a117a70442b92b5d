"""Detections are scored as the stamps that training cuts of them."""

import shutil

import numpy as np
import pytest

from realbogus.bench import Scorer
from realbogus.blocks import Cut, read_crops
from realbogus.cutouts import ExposureJob, Sources, cut_exposure, make_folders
from realbogus.detections import ScoreJob, features_at, score_exposure
from realbogus.errors import ModelError
from realbogus.features import Treatment, treat_crops
from realbogus.images import read_image
from realbogus.lists import read_columns
from realbogus.normalisation import NORMALISATIONS
from realbogus.surveys.atlas import Positions
from tests.helpers import save_untrained, unique_image, write_fits

OBS = "02a58310o0123c"
SIDE = 150
MASK = -31415


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Write a packed image whose every pixel is unique, with masked parts."""
    pixels = unique_image(SIDE, SIDE)
    pixels[60:80, 20:110] = MASK
    pixels[::7, ::5] = MASK
    path = tmp_path_factory.mktemp("image") / f"{OBS}.diff.fz"
    return write_fits(path, pixels, packing="RICE_1", MASKVAL=float(MASK), FWHM=3.1)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory):
    path = save_untrained(tmp_path_factory.mktemp("model") / "psat.h5")
    return Scorer(path, "one", treatment(10))


def treatment(extent, norm="signPreserveNorm", mask_value=None, psf=False):
    return Treatment(Cut(extent, mask_value=mask_value, stamp_side=200), norm, psf=psf)


def draw_positions(n=300):
    """Draw positions all over an image, and beyond its borders."""
    rng = np.random.default_rng(0)
    return rng.uniform(-25, SIDE + 25, (2, n))


def positions_of(x, y):
    number = np.arange(1, len(x) + 1, dtype=np.uint64)
    return Positions(number, number, x, y, np.full(len(x), 18.0))


@pytest.mark.parametrize("norm", NORMALISATIONS)
@pytest.mark.parametrize(
    ("extent", "mask_value", "psf"),
    [(10, None, False), (20, None, True), (1, None, False), (3, 1007.0, True)],
)
def test_features_are_those_of_training_stamps_bit_by_bit(
    image, tmp_path, norm, extent, mask_value, psf
):
    x, y = draw_positions()
    number = np.arange(1, len(x) + 1, dtype=np.uint64)
    sources = Sources(number, number, x, y, *(np.zeros(len(x)),) * 4, np.ones(len(x), bool))
    make_folders(tmp_path, "files")
    job = ExposureJob(OBS, image, tmp_path, 40, "files", "all", sources)
    assert cut_exposure(job).masked > 20
    listed = read_columns(job.positions)
    cut = Cut(extent, mask_value=mask_value)
    count = len(listed.stamps)
    crops = read_crops(tmp_path, listed.stamps, np.full(count, -1), cut)
    expected = treat_crops(crops, Treatment(cut, norm, psf=psf), is_train=np.zeros(count, bool))
    assert (expected.seeing == np.float32(3.1)).all()
    asked = treatment(extent, norm, mask_value, psf)
    made = features_at(read_image(image), x, y, asked)
    found = [int(name) - 1 for name in listed.objects.tolist()]
    assert made.places.tolist() == [found[row] for row in expected.rows]
    assert made.pixels.tobytes() == expected.pixels.tobytes()


def test_what_has_no_score_says_why(image, scorer):
    x = np.array([100.5, np.nan, 50.5, -30.0, 120.2])
    y = np.array([120.5, 10.0, 70.5, 75.0, np.inf])
    done = score_exposure(ScoreJob(OBS, image, scorer, positions_of(x, y)))
    assert done.faults.tolist() == ["", "position", "masked", "masked", "position"]
    assert np.isnan(done.scores).tolist() == [False, True, True, True, True]
    assert np.isnan(done.prominence).tolist() == [False, True, True, True, True]
    assert done.problem is None
    counts = done.count(OBS)
    assert (counts.name, counts.camera, counts.scored, counts.masked) == (OBS, OBS[:3], 1, 2)


def test_the_number_of_stamps_at_a_time_changes_nothing(image, scorer, monkeypatch):
    job = ScoreJob(OBS, image, scorer, positions_of(*draw_positions()))
    together = score_exposure(job)
    monkeypatch.setattr("realbogus.detections._AT_ONCE", 3000)
    few = score_exposure(job)
    assert few.faults.tolist() == together.faults.tolist()
    np.testing.assert_allclose(few.scores, together.scores, rtol=0, atol=1e-6)
    assert np.nanstd(few.scores) > 1e-4


@pytest.mark.parametrize("keep", [0, 3000])
def test_a_bad_image_gives_no_scores_and_a_reason(image, scorer, tmp_path, keep):
    bad = tmp_path / image.name
    if keep:
        bad.write_bytes(image.read_bytes()[:keep])
    done = score_exposure(ScoreJob(OBS, bad, scorer, positions_of(*draw_positions(5))))
    assert done.faults.tolist() == ["image"] * 5
    assert str(bad) in done.problem
    assert np.isnan(done.scores).all()


def test_an_exposure_without_detections_is_not_read(scorer, tmp_path):
    done = score_exposure(ScoreJob(OBS, tmp_path, scorer, positions_of(*np.empty((2, 0)))))
    assert (len(done.scores), done.problem) == (0, None)


def test_a_classifier_that_changed_is_loaded_anew(scorer, tmp_path):
    path = tmp_path / "m.h5"
    shutil.copy(scorer.path, path)
    first = Scorer(path, "a", scorer.treatment).load()
    assert Scorer(path, "a", scorer.treatment).load() is first
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"m\.h5: not a readable HDF5 file"):
        Scorer(path, "b", scorer.treatment).load()
