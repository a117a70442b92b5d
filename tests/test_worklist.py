"""Names become images, each once, by object."""

import numpy as np
import pytest

from realbogus.errors import ConfigError, FormatError, StampError
from realbogus.lists import write_list
from realbogus.stamps import write_cube
from realbogus.worklist import Image, Worklist, find_images, read_object_ids
from tests.helpers import make_recipe, make_row, unique_image, write_fits


def stamp(path, **cards):
    path.parent.mkdir(exist_ok=True)
    return write_fits(path, unique_image(12, 12), **cards)


def test_a_folder_stands_for_the_fits_files_under_it(tmp_path):
    paths = [stamp(tmp_path / "a" / "8_02a58310o0001c_1.fits"), stamp(tmp_path / "7_x.fits")]
    (tmp_path / "notes.txt").write_text("no\n")
    stamp(tmp_path / "a" / ".8_hidden.fits")
    found = find_images([tmp_path, paths[0]])
    assert [(image.object, image.file) for image in found] == [
        ("7", str(paths[1])),
        ("8", str(paths[0])),
    ]
    assert [image.camera for image in found] == ["", "02a"]


def test_a_list_gives_the_object_and_the_exposure_of_each_row(tmp_path):
    row = make_row(stamp="good/anything.fits", object="42", obs="04a58310o0123c")
    write_list(tmp_path / "good.txt", [row], make_recipe())
    (image,) = find_images([tmp_path / "good.txt"])
    stamp, obs = str(tmp_path / "good" / "anything.fits"), "04a58310o0123c"
    assert image == Image("42", stamp, camera="04a", exposure=obs)


def test_a_bare_list_is_relative_to_its_folder(tmp_path):
    path = stamp(tmp_path / "in" / "7_03a58310o0001c_1.fits")
    (tmp_path / "names.txt").write_text("in/7_03a58310o0001c_1.fits\nin/missing_1.fits\n")
    found = find_images([tmp_path / "names.txt"])
    assert [(image.object, image.camera) for image in found] == [("7", "03a"), ("missing", "")]
    assert found[0].file == str(path)


def test_the_name_decides_before_the_header(tmp_path):
    path = stamp(tmp_path / "7_03a58310o0001c_1.fits", EXPNAME="02a58310o0001c")
    assert find_images([path])[0].camera == "03a"
    path = stamp(tmp_path / "7_1.fits", OBJECT="EXPNAME = '04a58310o0001c'")
    assert find_images([path])[0].camera == ""


def test_a_cube_that_does_not_say_what_it_holds_is_one_fault(tmp_path):
    write_fits(tmp_path / "c.fits", unique_image(24, 12).reshape(2, 12, 12))
    (image,) = find_images([tmp_path / "c.fits"])
    assert (image.object, image.fault, image.is_readable) == ("c", "unreadable", False)
    with pytest.raises(StampError, match=r"c\.fits"):
        find_images([tmp_path / "c.fits[1]"])


def test_a_plane_that_a_cube_lacks_is_an_error(tmp_path):
    columns = {name: np.zeros(2) for name in ("x", "y", "object", "detection")}
    pixels = np.zeros((2, 12, 12), np.float32)
    write_cube(tmp_path / "c.fits", pixels, shared="", columns=columns)
    with pytest.raises(StampError, match=r"c\.fits: has 2 planes, and plane 2 is asked for"):
        find_images([tmp_path / "c.fits[2]"])


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="holds no FITS file"):
        find_images([tmp_path])


def test_a_worklist_counts_and_gives_back_what_it_got(monkeypatch):
    monkeypatch.setattr("realbogus.records._IN_MEMORY", 10)
    images = [Image("7", "a", 3, "02a"), Image("7", "é\n"), Image("8"), Image("9", "b", fault="x")]
    with Worklist(images) as worklist:
        assert list(worklist) == list(worklist) == images
        assert (worklist.objects, worklist.count) == (3, 4)
        assert worklist.cameras == {"02a": 1, "": 1}
        assert worklist.examples["02a"] == "a[3]"


def test_ids_come_once_and_in_order(tmp_path):
    (tmp_path / "ids").write_text("# night\n\n30 # bright\n4\n")
    assert read_object_ids(["30", str(tmp_path / "ids"), "18446744073709551615"]) == [
        *(4, 30),
        2**64 - 1,
    ]


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "٣", "18446744073709551616", "1 2"])
def test_what_is_no_id_is_named_with_its_line(tmp_path, text):
    (tmp_path / "ids").write_text(f"1\n{text}\n")
    with pytest.raises(FormatError, match="ids, line 2: not the id of an object"):
        read_object_ids([str(tmp_path / "ids")])
