from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.errors import ConfigError
from realbogus.selection import select_stamps
from realbogus.splits import OUT, TEST, TRAIN, hold_out_nights, split_by_night, split_by_object
from realbogus.stamps import split_plane

CATALOGUES = 1000
HEADER = "# x y mag dmag ra dec obs object stamp\n"
WORDS = ("a_b", "a", "a_", "_a", "1_2_3", "1", "11", "é_1", "a/b", "A")


def random_lists(folder, rng, count):
    """List detections of few objects on few nights, many of them twice and under many names."""
    for name in ("good", "bad"):
        rows = []
        for _ in range(count):
            obj = f"{rng.choice(WORDS)}{rng.integers(6)}{name[0] if rng.random() < 0.9 else ''}"
            obs = f"02a{58310 + rng.integers(5)}o{rng.integers(3):04d}c"
            prefix = rng.choice(["", "./", "x/../", ".//"])
            if rng.random() < 0.5:
                stamp = f"{prefix}cubes/{obs}.fits[{rng.integers(30)}]"
            else:
                stamp = f"{prefix}{rng.choice(['x', 'y_z'])}/{obj}_{obs}_{rng.integers(30)}.fits"
            rows.append(f"1 2 18.5 0.1 3 4 {obs} {obj} {stamp}\n")
        (folder / f"{name}.txt").write_text(HEADER + "".join(rows))
    return folder / "good.txt", folder / "bad.txt"


def pixels_of(stamps):
    """Give what identifies the pixels of each stamp, whatever its name."""
    names = [
        name.decode().replace("x/../", "").replace("/./", "/")
        for name in stamps.paths[stamps.files]
    ]
    tidy = [name.removeprefix("./").lstrip("/") for name in names]
    return np.array([f"{name}[{plane}]" for name, plane in zip(tidy, stamps.planes, strict=True)])


def test_nothing_leaks_in_a_thousand_random_catalogues(tmp_path):
    tried = 0
    for seed in range(CATALOGUES):
        rng = np.random.default_rng(seed)
        lists = random_lists(tmp_path, rng, 25)
        stamps = select_stamps(*lists, skew=3, rng=rng).stamps
        is_test = split_by_object(stamps.objects, stamps.targets, fraction=0.3, rng=rng)
        sides = split_by_night(
            stamps.objects, stamps.nights, held_out=hold_out_nights(stamps.nights, (2,))
        )
        for train, test in ((~is_test, is_test), (sides == TRAIN, sides == TEST)):
            for values in (stamps.objects, pixels_of(stamps)):
                assert not set(values[train]) & set(values[test]), seed
            tried += bool(train.any() and test.any())
        assert not set(stamps.nights[sides == TRAIN]) & set(stamps.nights[sides == TEST])
        assert len(set(pixels_of(stamps))) == len(stamps)
        real, bogus = (set(stamps.objects[stamps.targets == kind]) for kind in (1, 0))
        assert not real & bogus
    assert tried > 1.9 * CATALOGUES


@given(st.lists(st.text("a[]0179.x", min_size=1, max_size=18), unique=True, max_size=20))
def test_the_names_of_planes_are_those_of_the_rest_of_the_pipeline(names):
    with TemporaryDirectory() as folder:
        lists = Path(folder, "good.txt"), Path(folder, "bad.txt")
        for kind, path in enumerate(lists):
            rows = [f"1 2 18.5 0.1 3 4 o {kind}_{n} {kind}{name}\n" for n, name in enumerate(names)]
            path.write_text(f"{HEADER}1 2 18.5 0.1 3 4 o {kind} {kind}.fits\n{''.join(rows)}")
        stamps = select_stamps(*lists, skew=1, rng=np.random.default_rng(0)).stamps
    found = {
        (path.decode(), plane if plane >= 0 else None, name.decode())
        for path, plane, name in zip(
            stamps.paths[stamps.files], stamps.planes.tolist(), stamps.names, strict=True
        )
    }
    listed = [f"{kind}{name}" for kind in (0, 1) for name in (".fits", *names)]
    expected = {(*split_plane(name), name) for name in listed}
    assert {word[:2] for word in found} == {word[:2] for word in expected}
    assert found <= expected


def test_held_out_nights_test_and_their_objects_do_not_train():
    objects = np.array(["a", "a", "b", "c", "d", "a"])
    nights = np.array([1, 2, 1, 2, 1, 1])
    sides = split_by_night(objects, nights, held_out=np.array([2]))
    assert sides.tolist() == [OUT, TEST, TRAIN, TEST, TRAIN, OUT]


@pytest.mark.parametrize(
    ("asked", "held_out"),
    [
        ((1,), [58313]),
        ((2,), [58312, 58313]),
        ((58311,), [58311]),
        ((58310, 58313, 59999), [58310, 58313]),
    ],
)
def test_nights_are_held_out_by_name_or_the_newest(asked, held_out):
    nights = np.array([58313, 58310, 58311, 58312, 58310])
    assert hold_out_nights(nights, asked).tolist() == held_out


@pytest.mark.parametrize("asked", [(3,), (9,), (59999,), (58310, 58311, 58312)])
def test_nights_must_be_left_on_both_sides(asked):
    with pytest.raises(
        ConfigError, match=r"must leave nights on both sides; got .* 3 nights: 58310"
    ):
        hold_out_nights(np.array([58310, 58311, 58312]), asked)


def test_a_night_that_is_not_known_can_not_be_held_out():
    with pytest.raises(ConfigError, match="the night of 2 stamps is not known from their lists"):
        hold_out_nights(np.array([-1, 58310, -1]), (1,))
