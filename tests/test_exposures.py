import pytest

from realbogus.exposures import UNKNOWN, ExposureName, read_exposure_name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("02a58310o0123c", ExposureName(58310, "02a", "c", "02a58310o0123c")),
        ("good/11_02a58310o0123c_7.fits", ExposureName(58310, "02a", "c", "02a58310o0123c")),
        ("cubes/05r60900o0001w.fits[3]", ExposureName(60900, "05r", "w", "05r60900o0001w")),
        (
            "11_59000.1_01a58999o0123o_7_diff.fits",
            ExposureName(58999, "01a", "o", "01a58999o0123o"),
        ),
        ("11_57001.55_4711_12_diff", ExposureName(57001, exposure="4711")),
        ("../58310/11_57001.55_4711_12_diff.fits", ExposureName(57001, exposure="4711")),
        ("11_57001_4711_12_diff", ExposureName(57001, exposure="4711")),
        ("11_57001.55_diff", ExposureName(57001)),
        ("02a58310o0123c/11_7.fits", UNKNOWN),
        ("x02a58310o0123c", UNKNOWN),
        ("02a58310o01234c", UNKNOWN),
        ("-", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_name_gives_night_camera_filter_and_exposure(name, found):
    assert read_exposure_name(name) == found
