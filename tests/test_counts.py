"""Exposures are counted by name, and the table gives back what it got."""

import numpy as np
import pytest

from realbogus.counts import (
    HELD,
    PASSED,
    THRESHOLDS,
    Counts,
    count_exposures,
    counts_path,
    is_counts,
    read_counts,
    write_counts,
)
from realbogus.errors import FormatError
from realbogus.scores import read_score_recipe
from realbogus.verdicts import ImageScore
from tests.helpers import make_recipe

OBS = "02a58310o0123c"
ROWS = [
    Counts(OBS, "02a", 58310, 3, 1, (3, 2, 2, 1, 0), (3, 1), PASSED),
    Counts(
        "4711", "gpc1", 57001, 0, 0, (0, 0, 0, 0, 0), (0, 0), HELD, "3 of 4, expected 1.0; a comma"
    ),
]


def test_images_are_counted_by_exposure(tmp_path):
    images = [
        ImageScore("7", f"7_{OBS}_1.fits", "02a", 0.99, exposure=OBS, prominence=8.5),
        ImageScore("7", f"7_{OBS}_2.fits", "02a", 0.5, exposure=OBS, prominence=8),
        ImageScore("8", "anything.fits", "02a", fault="masked", exposure=OBS, prominence=9),
        ImageScore("8", "anything.fits", "02a", fault="missing", exposure=OBS),
        ImageScore("8", "8_57001.5_4711_1_diff.fits", "gpc1", 0.04, exposure="4711"),
        ImageScore("9", "of_no_exposure.fits", "", 0.9),
        ImageScore("10"),
    ]
    assert count_exposures(images) == [
        Counts(OBS, "02a", 58310, 2, 1, (2, 2, 1, 1, 1), (2, 1)),
        Counts("4711", "gpc1", 57001, 1, 0, (0, 0, 0, 0, 0), (0, 0)),
    ]


def test_scores_on_a_threshold_are_not_above_it():
    counts = Counts.of(OBS, "02a", 58310, np.array(THRESHOLDS), np.full(5, 4.0), 0)
    assert (counts.above, counts.prominent) == ((4, 3, 2, 1, 0), (0, 0))


def test_the_table_gives_back_what_it_got(tmp_path):
    path = counts_path(tmp_path / "objects.csv")
    write_counts(path, ROWS, make_recipe("score", listid=4))
    assert path.name == "objects.exposures.csv"
    assert is_counts(path)
    assert not is_counts(tmp_path / "objects.csv")
    assert read_counts(path) == ROWS
    assert read_score_recipe(path).options == {"listid": 4}


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (",58310,", ",x,", r"line \d+: not the counts"),
        (",3,1,3,", ",2,1,3,", r"line \d+: not the counts"),
        (",3,1,3,", ",3,-1,3,", r"line \d+: not the counts"),
        (",3,1,passed", ",3,4,passed", r"line \d+: not the counts"),
        ("passed", "good", r"line \d+: not the counts"),
        ("passed", "passed,again", r"line \d+: has 15 columns, not 14"),
        ("night,scored", "nights,scored", "has no column 'night'"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_the_line(tmp_path, old, new, part):
    path = tmp_path / "t.exposures.csv"
    write_counts(path, ROWS[:1], make_recipe("score"))
    text = path.read_text()
    head, body = text[: text.index("\nexposure,")], text[text.index("\nexposure,") :]
    assert old in body
    path.write_text(head + body.replace(old, new))
    with pytest.raises(FormatError, match=part):
        read_counts(path)
