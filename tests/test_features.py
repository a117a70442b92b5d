import numpy as np
import pytest

from realbogus.blocks import Crops, Cut
from realbogus.features import Treatment, Window, count_features, treat_crops
from realbogus.seeing import UNKNOWN
from tests.helpers import unique_image


@pytest.mark.parametrize("turns", [(), (1, 2, 3)])
def test_the_width_takes_the_first_pixel_of_every_feature_and_no_other(turns):
    pixels = np.stack([unique_image(21, 21, np.float32) + n for n in (0, 1000)])
    crops = Crops(pixels + 5, np.array([4.4, np.nan], np.float32))
    is_train = np.array([True, True])
    found, plain = (
        treat_crops(crops, Treatment(Cut(10), "noNorm", turns, psf=psf), is_train=is_train)
        for psf in (True, False)
    )
    assert found.pixels[:, 0, 0] == pytest.approx([1, UNKNOWN] * (1 + len(turns)), abs=1e-6)
    assert (plain.pixels[:, 0, 0] != found.pixels[:, 0, 0]).all()
    found.pixels[:, 0, 0] = plain.pixels[:, 0, 0]
    np.testing.assert_array_equal(found.pixels, plain.pixels)


@pytest.mark.parametrize("turns", [(), (1, 2, 3)])
def test_a_window_gives_every_feature_once_with_what_is_known_of_its_stamp(turns):
    treatment = Treatment(Cut(2), "noNorm", turns)
    rng = np.random.default_rng(0)
    pixels = np.stack([unique_image(5, 5, np.float32) + 100 * n for n in range(40)])
    is_train = rng.random(40) < 0.6
    masked = [3, 17, 18]  # whole stamps; 17 and 18 are one of each part
    is_train[masked] = True, True, False
    pixels[masked] = np.nan
    pixels[20, 2, 2] = np.nan
    stamps = 1000 + rng.permutation(40)
    seeing = np.arange(40, dtype=np.float32)
    room = np.empty((count_features(is_train, treatment), 4, 4), np.float32)
    window = Window(stamps, is_train, treatment, rng, room)
    for first, last in ((25, 40), (0, 25)):  # threads may end in any order
        some = slice(first, last)
        window.put(first, Crops(pixels[some], seeing[some]))

    kept = np.setdiff1d(np.arange(40), masked)
    row_of = {stamp: row for row, stamp in enumerate(stamps.tolist())}
    for train, copies in ((True, 1 + len(turns)), (False, 1)):
        taken = window.take(train=train)
        rows = np.array([row_of[stamp] for stamp in taken.stamps.tolist()])
        expected = np.repeat(kept[is_train[kept] == train], copies)
        np.testing.assert_array_equal(np.sort(rows), expected)
        np.testing.assert_array_equal(taken.seeing, rows)
        np.testing.assert_array_equal(taken.masked, np.where(rows == 20, np.float32(1 / 16), 0))
        assert (np.diff(rows) < 0).any() == train  # those that train are shuffled
        found = {(row, image.tobytes()) for row, image in zip(rows, taken.pixels, strict=True)}
        assert found == {
            (row, np.nan_to_num(np.rot90(pixels[row], turn)[:-1, :-1]).astype(np.float32).tobytes())
            for row in np.unique(expected)
            for turn in ((0, *turns) if train else (0,))
        }
