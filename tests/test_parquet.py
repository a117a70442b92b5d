import numpy as np
import pyarrow.parquet
import pytest

from realbogus.errors import FormatError
from realbogus.parquet import open_parquet, read_parquet_recipe
from tests.helpers import make_recipe

COLUMNS = [
    ("id", "uint64", "an id"),
    ("name", "text", "a name"),
    ("score", "float64", "a score"),
    ("fault", "text", "a fault"),
]


def rows(first, n, name):
    score = np.linspace(0, 1, n)
    score[-1] = np.nan
    fault = np.ma.masked_array(np.array(["", *["bad"] * (n - 1)]), np.arange(n) == 0)
    number = np.arange(first, first + n, dtype=np.uint64)
    return {"id": number, "name": name, "score": score, "fault": fault}


def test_rows_come_back_and_what_is_missing_is_null(tmp_path, monkeypatch):
    monkeypatch.setattr("realbogus.parquet._ROWS", 4)
    path = tmp_path / "t.parquet"
    with open_parquet(path, COLUMNS) as file:
        for first, n, name in ((2**63, 3, "a"), (5, 2, "b"), (9, 2, "a")):
            file.add(rows(first, n, name))
        file.recipe = make_recipe("score", e=7)
    table = pyarrow.parquet.read_table(path)
    assert table["id"].to_pylist() == [2**63, 2**63 + 1, 2**63 + 2, 5, 6, 9, 10]
    assert table["name"].to_pylist() == ["a"] * 3 + ["b"] * 2 + ["a"] * 2
    assert table["score"].to_pylist() == [0, 0.5, None, 0, None, 0, None]
    assert table["fault"].to_pylist() == [None, "bad", "bad", None, "bad", None, "bad"]
    assert table.schema.field("score").metadata[b"description"] == b"a score"
    assert pyarrow.parquet.read_metadata(path).num_row_groups == 2
    assert read_parquet_recipe(path) == make_recipe("score", e=7)


def test_names_and_texts_may_all_be_missing(tmp_path):
    path = tmp_path / "t.parquet"
    texts = np.ma.masked_all(2, object)
    with open_parquet(path, [("id", "name", "an id"), ("name", "text", "a name")]) as file:
        file.add({"id": texts, "name": texts})
        file.add({"id": np.array(["a", "b"], object), "name": texts})
    table = pyarrow.parquet.read_table(path)
    assert table["id"].to_pylist() == [None, None, "a", "b"]
    assert table["name"].to_pylist() == [None] * 4


def test_a_run_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), open_parquet(tmp_path / "t.parquet", COLUMNS) as file:
        file.add(rows(0, 3, "a"))
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_recipe_has_none_and_another_is_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    with open_parquet(path, COLUMNS):
        pass
    assert read_parquet_recipe(path) is None
    path.write_bytes(b"PAR1")
    with pytest.raises(FormatError, match=r"t\.parquet: not a readable Parquet file"):
        read_parquet_recipe(path)
