import h5py
import pytest

from realbogus.errors import DatasetError, FormatError, ModelError
from realbogus.hdf5 import open_hdf5, read_recipe, write_recipe
from tests.helpers import make_recipe


def make_file(path, **content):
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            file[name] = value
    return path


def test_a_recipe_larger_than_an_attribute_comes_back(tmp_path):
    path = make_file(tmp_path / "model.h5", x=1)
    recipe = make_recipe(results={"history": ["0.123456789"] * 10_000})
    write_recipe(path, recipe, error=ModelError)
    assert read_recipe(path, error=ModelError) == recipe


def test_a_file_without_recipe_says_so(tmp_path):
    assert read_recipe(make_file(tmp_path / "d.h5", x=1), error=DatasetError) is None


@pytest.mark.parametrize("error", [DatasetError, ModelError])
def test_a_missing_file_raises_what_was_asked_for(tmp_path, error):
    with pytest.raises(error, match=r"none\.h5: no such file"):
        read_recipe(tmp_path / "none.h5", error=error)


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n"])
def test_what_is_not_hdf5_is_one_line(tmp_path, content):
    path = tmp_path / "d.h5"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"d\.h5: not a readable HDF5 file \("):
        read_recipe(path, error=DatasetError)


def test_a_truncated_file_is_one_line(tmp_path):
    path = make_file(tmp_path / "d.h5", x=list(range(1000)))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DatasetError, match="not a readable HDF5 file"):
        read_recipe(path, error=DatasetError)


@pytest.mark.parametrize("recipe", [1.5, [1, 2], ["a", "b"]])
def test_a_recipe_that_is_no_text_is_one_line(tmp_path, recipe):
    path = make_file(tmp_path / "d.h5", recipe=recipe)
    with pytest.raises((DatasetError, FormatError), match=r"not a readable HDF5 file|damaged"):
        read_recipe(path, error=DatasetError)


def test_a_group_in_place_of_the_recipe_is_one_line(tmp_path):
    path = make_file(tmp_path / "d.h5", **{"recipe/x": 1})
    with pytest.raises(DatasetError, match="not a readable HDF5 file"):
        read_recipe(path, error=DatasetError)


def test_an_unwritable_file_is_one_line(tmp_path):
    with (
        pytest.raises(OSError, match="Is a directory"),
        open_hdf5(tmp_path, "w", error=ModelError),
    ):
        pass


def test_an_error_of_the_caller_passes_unchanged(tmp_path):
    path = make_file(tmp_path / "d.h5", x=1)
    with pytest.raises(DatasetError, match=r"^its stamps are round$"), open_hdf5(path):
        raise DatasetError("its stamps are round")
