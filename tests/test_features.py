import numpy as np
import pytest

from realbogus.blocks import Crops, Cut
from realbogus.features import Treatment, treat_crops
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
