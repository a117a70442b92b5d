import pickle
import re

import pytest

from realbogus import errors

REFINED = {
    "ConfigError": ValueError,
    "RecipeError": ValueError,
    "FormatError": ValueError,
    "DatabaseError": OSError,
    "DatabaseBusyError": errors.DatabaseError,
    "ImageError": OSError,
    "StampError": OSError,
    "StampSizeError": errors.StampError,
    "DatasetError": ValueError,
    "ModelError": ValueError,
    "ReleaseError": ValueError,
}


@pytest.mark.parametrize("name", REFINED)
def test_every_error_is_also_the_builtin_that_it_refines(name):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.RealBogusError)
    assert issubclass(kind, REFINED[name])


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"── (\w+) +(\w+) ", errors.__doc__)
    assert {name: builtin for name, builtin in drawn} == {
        name: builtin.__name__ for name, builtin in REFINED.items()
    }
    assert {"RealBogusError", *REFINED} == set(errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_keeps_its_one_line_on_its_way_out_of_a_worker(name):
    error = getattr(errors, name)("02a.fz: truncated")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == "02a.fz: truncated"
