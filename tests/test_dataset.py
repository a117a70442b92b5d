import errno
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.dataset import (
    TRAITS,
    DatasetWriter,
    Part,
    cameras_of,
    read_columns,
    read_dataset_recipe,
    read_part,
    read_stamps,
    write_dataset,
)
from realbogus.errors import DatasetError
from realbogus.splits import split_by_object
from tests.helpers import make_recipe, unique_image

CATALOGUE = st.lists(
    st.tuples(st.integers(0, 30).map(str), st.integers(0, 1)), min_size=1, max_size=120
)


def make_part(n=4, side=6, first=0):
    stamps = unique_image(n * side, side, np.float32).reshape(n, side, side) + first
    return Part(
        stamps,
        np.arange(n, dtype=np.int8) % 2,
        np.array([f"{first + i}_é_{i}.fits" for i in range(n)]),
        np.array([str(first + i) for i in range(n)]),
        np.array([np.nan, *range(1, n)], float),
    )


def split(catalogue, fraction, seed=0):
    objects, targets = map(np.array, zip(*catalogue, strict=True))
    rng = np.random.default_rng(seed)
    return objects, targets, split_by_object(objects, targets, fraction=fraction, rng=rng)


@given(CATALOGUE, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_no_object_is_on_both_sides_of_a_split_and_both_kinds_are(catalogue, fraction, seed):
    kinds = {name: 0 for name, _ in catalogue}
    for name, target in catalogue:
        kinds[name] = max(kinds[name], target)
    if min(list(kinds.values()).count(kind) for kind in (0, 1)) < 2:
        with pytest.raises(DatasetError, match="objects can't be split: at least 2 are needed"):
            split(catalogue, fraction, seed)
        return
    objects, _, aside = split(catalogue, fraction, seed)
    assert not set(objects[aside]) & set(objects[~aside])
    for side in (aside, ~aside):
        assert {kinds[name] for name in objects[side]} == {0, 1}


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_the_fraction_is_of_the_objects_of_each_kind(fraction):
    catalogue = [(f"{n % 40}", int(n % 40 < 20)) for n in range(400)]
    objects, targets, aside = split(catalogue, fraction)
    for kind in (0, 1):
        assert len(set(objects[aside & (targets == kind)])) == round(20 * fraction)


def test_the_split_is_that_of_its_seed():
    catalogue = [(str(n), n % 2) for n in range(50)]
    first, again, other = (split(catalogue, 0.5, seed)[2] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_nothing_can_not_be_split():
    with pytest.raises(DatasetError, match="0 real objects can't be split"):
        split_by_object(
            np.array([], str), np.array([], int), fraction=0.5, rng=np.random.default_rng(0)
        )


def test_both_parts_and_the_recipe_come_back(tmp_path):
    path = tmp_path / "dataset.h5"
    written = {"train": make_part(), "test": make_part(3, first=100)}
    write_dataset(path, written["train"], written["test"], make_recipe())
    for which, part in written.items():
        back = read_part(path, which)
        assert np.array_equal(back.stamps, part.stamps)
        assert np.array_equal(back.mag, part.mag, equal_nan=True)
        for name in ("targets", "names", "objects"):
            assert list(getattr(back, name)) == list(getattr(part, name))
    assert read_dataset_recipe(path) == make_recipe()


def test_the_names_in_the_file_are_those_that_people_know(tmp_path):
    write_dataset(tmp_path / "d.h5", make_part(), make_part(first=9), make_recipe())
    with h5py.File(tmp_path / "d.h5") as file:
        assert {"X", "y", "testX", "testy", "train_files", "test_files"} <= set(file)
        assert file["X"].dtype == np.float32


def test_selected_rows_stay_together():
    part = make_part().select(np.array([2, 0]))
    assert list(part.objects) == ["2", "0"]
    assert part.stamps[0, 0, 0] == make_part().stamps[2, 0, 0]
    assert len(part) == 2


def change(path, name, value):
    write_dataset(path, make_part(), make_part(first=9), make_recipe())
    with h5py.File(path, "r+") as file:
        del file[name]
        if value is not None:
            file[name] = value
    return path


CHANGES = [
    ("X", None, "not a data set: it has no X"),
    ("train_files", None, "not a data set: it has no train_files"),
    ("train_objects", None, "not a data set: it has no train_objects"),
    ("train_mag", None, "not a data set: it has no train_mag"),
    ("X", np.zeros((4, 5, 6)), "its stamps are not square images"),
    ("X", np.zeros((4, 36)), "its stamps are not square images"),
    ("X", np.full((4, 6, 6), np.nan), "some of its pixels are not finite"),
    ("X", np.zeros((3, 6, 6)), "its columns have different lengths"),
    ("y", np.array([0, 1, 2, 1]), "its targets are not all 0 or 1"),
    ("y", np.array([0, 1, 256, 1]), "its targets are not all 0 or 1"),
    ("y", np.zeros((4, 2)), "its columns are not one number a stamp"),
    ("y", 1, "not a readable HDF5 file"),
    ("X", "text", "not a readable HDF5 file"),
    ("train_mag", ["a", "b", "c", "d"], "not a readable HDF5 file"),
    ("train_objects", [1, 2, 3, 4], "not a readable HDF5 file"),
]


@pytest.mark.parametrize(("name", "value", "message"), CHANGES, ids=range(len(CHANGES)))
def test_a_damaged_data_set_is_one_line(tmp_path, name, value, message):
    with pytest.raises(DatasetError, match=rf"d\.h5: {message}"):
        read_part(change(tmp_path / "d.h5", name, value), "train")


def write_old(path, targets, n=3, side=16):
    """Write a part as the predecessor did: flattened, without our columns."""
    with h5py.File(path, "w") as file:
        for stamps, labels, files in (("X", "y", "train_files"), ("testX", "testy", "test_files")):
            file[stamps] = unique_image(n, side, np.float64)
            file[labels] = targets
            file[files] = np.array([f"good/{i // 2}_a_b_{i}.fits".encode() for i in range(n)])
    return path


@pytest.mark.parametrize(
    "targets",
    [[1, 0, 1], [[1], [0], [1]], [[0, 1], [1, 0], [0, 1]], [1.0, 0.0, 1.0]],
    ids=["flat", "column", "one-hot", "float"],
)
@pytest.mark.parametrize("which", ["train", "test"])
def test_a_data_set_of_the_predecessor_loads(tmp_path, targets, which):
    part = read_part(write_old(tmp_path / "old.h5", targets, side=16), which)
    assert np.array_equal(part.stamps, unique_image(12, 4).reshape(3, 4, 4))
    assert part.stamps.dtype == np.float32
    assert part.targets.tolist() == [1, 0, 1]
    assert part.names.tolist() == ["good/0_a_b_0.fits", "good/0_a_b_1.fits", "good/1_a_b_2.fits"]
    assert part.objects.tolist() == ["0", "0", "1"]
    assert np.isnan(part.mag).all()
    assert read_dataset_recipe(tmp_path / "old.h5") is None


@pytest.mark.parametrize(
    ("targets", "side", "message"),
    [
        ([1, 0, 1], 15, "its stamps are not square images"),
        ([1, 0], 16, "its columns have different lengths"),
        ([1, 0, 7], 16, "its targets are not all 0 or 1"),
    ],
)
def test_a_damaged_data_set_of_the_predecessor_is_one_line(tmp_path, targets, side, message):
    with pytest.raises(DatasetError, match=rf"old\.h5: {message}"):
        read_part(write_old(tmp_path / "old.h5", targets, side=side), "train")


def test_what_is_known_of_each_stamp_comes_back(tmp_path):
    traits = {
        "snr": np.array([9, np.nan, 5, 6], np.float32),
        "night": np.array([58310, -1, 58311, 58312], np.int32),
        "camera": np.array([b"02a", b"", b"03a", b"02a"]),
    }
    part = replace(make_part(), traits=traits)
    write_dataset(tmp_path / "d.h5", part, part.select(np.array([3, 0])), make_recipe())
    train, test = (read_part(tmp_path / "d.h5", which).traits for which in ("train", "test"))
    assert set(train) == set(traits) <= set(TRAITS)
    assert np.array_equal(train["snr"], traits["snr"], equal_nan=True)
    assert test["night"].tolist() == [58312, 58310]
    assert train["camera"].tolist() == ["02a", "", "03a", "02a"]


@pytest.mark.parametrize(
    ("cameras", "found"),
    [
        (["05r", "02a", "05r", "02a"], ["02a", "05r"]),
        (["gpc1"] * 4, ["gpc1"]),
        (["05r", "", "05r", "05r"], None),
    ],
)
def test_the_cameras_of_a_part_are_known_if_each_is(tmp_path, cameras, found):
    part = replace(make_part(), traits={"camera": np.array(cameras, np.bytes_)})
    write_dataset(tmp_path / "d.h5", part, part, make_recipe())
    assert cameras_of(read_part(tmp_path / "d.h5", "train")) == found


def test_the_cameras_of_a_data_set_of_the_predecessor_are_those_of_its_names(tmp_path):
    part = read_part(write_old(tmp_path / "old.h5", np.array([1, 0, 1])), "train")
    assert cameras_of(part) is None
    names = np.array([f"good/{number}_58310.1_05r58310o0001c_7.fits" for number in range(3)])
    assert cameras_of(replace(part, names=names)) == ["05r"]


@pytest.mark.parametrize("together", [1, 250, 100_000])
def test_parts_grow_row_by_row_in_chunks(tmp_path, monkeypatch, together):
    monkeypatch.setattr("realbogus.dataset._COLUMN_ROWS", together)
    with DatasetWriter.create(tmp_path / "d.h5") as writer:
        for first in range(0, 600, 100):
            writer.append("train", make_part(100, first=first))
        writer.append("test", make_part(first=1000))
        writer.finish(make_recipe())
    part = read_part(tmp_path / "d.h5", "train")
    assert part.objects.tolist() == [str(number) for number in range(600)]
    assert len(part.stamps) == len(part.mag) == 600
    with h5py.File(tmp_path / "d.h5") as file:
        assert file["X"].chunks[1:] == (6, 6)
        assert 1 < file["X"].chunks[0] <= 1024
        assert file["X"].compression is None


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path):
    began = False
    with (
        pytest.raises(OSError, match=r"set\.h5"),
        DatasetWriter.create(tmp_path / "set.h5", room=2**60),
    ):
        began = True
    assert not began
    assert list(tmp_path.iterdir()) == []


def test_the_room_that_was_asked_for_is_not_asked_for_again(tmp_path, monkeypatch):
    asked, allocate = [], os.posix_fallocate
    monkeypatch.setattr(
        os, "posix_fallocate", lambda *words: asked.append(words[2]) or allocate(*words)
    )
    with DatasetWriter.create(tmp_path / "set.h5", room=200_000) as writer:
        for which in ("train", "test"):
            writer.append(which, make_part(100))
        writer.finish(make_recipe())
    assert len(asked) == 1
    assert asked[0] > 200_000 > (tmp_path / "set.h5").stat().st_size


@pytest.mark.parametrize(("room", "is_kept"), [(999, True), (1000, False)])
def test_a_large_set_does_not_stay_in_the_memory(tmp_path, monkeypatch, room, is_kept):
    given_back, advise = [], os.posix_fadvise
    monkeypatch.setattr("realbogus.dataset._LARGE", 1000)
    monkeypatch.setattr(
        os, "posix_fadvise", lambda *words: given_back.append(words[3]) or advise(*words)
    )
    with DatasetWriter.create(tmp_path / "set.h5", room=room) as writer:
        for first in (0, 100):
            writer.append("train", make_part(100, first=first))
        writer.append("test", make_part(first=1000))
        writer.finish(make_recipe())
    assert set(given_back) == (set() if is_kept else {os.POSIX_FADV_DONTNEED})
    assert read_part(tmp_path / "set.h5", "train").objects.tolist() == [*map(str, range(200))]


def test_a_failed_write_leaves_nothing(tmp_path):
    broken = make_part()
    object.__setattr__(broken, "names", np.array([object()] * 4))
    with pytest.raises(DatasetError, match="can't write this HDF5 file"):
        write_dataset(tmp_path / "d.h5", make_part(), broken, make_recipe())
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_while_more_is_written_is_not_overlooked(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match=r"Input/output error: .*set\.h5"):
        write_dataset(tmp_path / "set.h5", make_part(), make_part(first=50), make_recipe())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["train", "test"])
def test_columns_and_a_few_stamps_are_those_of_the_whole_part(dataset, which):
    whole, columns = read_part(dataset, which), read_columns(dataset, which)
    assert columns.stamps.shape == (len(whole), 0, 0)
    assert set(columns.traits) == set(TRAITS)
    for name in ("targets", "names", "objects", "mag"):
        np.testing.assert_array_equal(getattr(columns, name), getattr(whole, name))
    np.testing.assert_array_equal(read_stamps(dataset, which, [5, 2]), whole.stamps[[5, 2]])
    assert read_stamps(dataset, which, []).size == 0


def test_columns_and_stamps_of_the_predecessor_are_read(tmp_path):
    stamps = unique_image(4 * 6, 6, np.float32).reshape(4, 6, 6)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["testX"], file["testy"] = stamps.reshape(4, 36), np.eye(2)[[0, 1, 1, 0]]
        file["test_files"] = ["1_a.fits", "2_b.fits", "3_c.fits", "1_d.fits"]
    assert list(read_columns(tmp_path / "old.h5", "test").objects) == ["1", "2", "3", "1"]
    np.testing.assert_array_equal(read_stamps(tmp_path / "old.h5", "test", [3]), stamps[3:])


def test_columns_that_do_not_fit_the_stamps_are_an_error(tmp_path):
    write_dataset(tmp_path / "set.h5", make_part(), make_part(first=9), make_recipe())
    with h5py.File(tmp_path / "set.h5", "r+") as file:
        del file["test_mag"]
        file["test_mag"] = [1.0]
    with pytest.raises(DatasetError, match="its columns have different lengths"):
        read_columns(tmp_path / "set.h5", "test")
