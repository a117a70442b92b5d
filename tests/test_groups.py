import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realbogus.groups import number_values

WORDS = st.lists(st.sampled_from(["", "a", "aa", "b", "02a58310o0001c"]), max_size=30)


@pytest.mark.parametrize("kind", [np.str_, np.bytes_])
@given(words=WORDS)
def test_values_are_numbered_as_by_numpy(kind, words):
    values = np.array([word.encode() if kind is np.bytes_ else word for word in words], kind)
    names, numbers = number_values(values)
    expected, inverse = np.unique(values, return_inverse=True)
    assert names.tolist() == expected.tolist()
    assert numbers.tolist() == inverse.tolist()


def test_numbers_are_numbered_too():
    names, numbers = number_values(np.array([7, 7, 3, 7, 3, 3]))
    assert (names.tolist(), numbers.tolist()) == ([3, 7], [1, 1, 0, 1, 0, 0])
