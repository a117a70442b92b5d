from pathlib import Path

import numpy as np
import pytest

from realbogus.errors import DatasetError, ModelError
from realbogus.seeing import TOLD, UNKNOWN, describe_seeing, says_seeing


def test_the_width_of_the_psf_is_in_octaves_beside_what_is_usual():
    found = describe_seeing(np.array([2.2, 4.4, 1.1, 1e9, 1e-9]))
    assert found == pytest.approx([0, 1, -1, 3, -3], abs=1e-6)
    assert found.dtype == np.float32


def test_a_width_that_is_not_known_is_said_to_be_unknown():
    found = describe_seeing(np.array([np.nan, np.inf, -np.inf, 0, -2.5, 2.2], np.float32))
    assert found.tolist() == [UNKNOWN] * 5 + [0]
    assert found.dtype == np.float32
    assert describe_seeing(np.array([1e-30]))[0] > UNKNOWN


@pytest.mark.parametrize(("said", "told"), [(None, False), (False, False), (TOLD, True)])
def test_recipes_say_whether_features_say_it(said, told):
    assert says_seeing(Path("a.h5"), said, error=ModelError) is told


@pytest.mark.parametrize("said", [True, 1, "yes", ["octaves"], 2.5])
@pytest.mark.parametrize("error", [ModelError, DatasetError])
def test_features_that_do_not_tell_unknown_from_usual_are_refused(said, error):
    with pytest.raises(error, match=r"a\.h5: its recipe says .* of the PSF .* anew$"):
        says_seeing(Path("a.h5"), said, error=error)
