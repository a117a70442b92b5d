"""Tables of many rows in Parquet files: the only home of pyarrow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realbogus.errors import ConfigError, FormatError
from realbogus.files import atomic_path
from realbogus.recipes import Recipe

__all__ = [
    "Masked",
    "ParquetColumn",
    "ParquetFile",
    "open_parquet",
    "read_parquet_recipe",
    "require_parquet_name",
]

_RECIPE = b"recipe"
_SUFFIX = ".parquet"
# Rows that are written at one go.
_ROWS = 2**20

Masked = np.ma.MaskedArray[Any, Any]
"""The values of a column, null masked."""

ParquetColumn = tuple[str, str, str]
"""The name of a column, its type, and what it holds.

The type is a number of NumPy, ``bool``, ``name`` for texts that differ from row to row, or ``text``
for texts of which there are few.
"""


class ParquetFile:
    """A Parquet file that is being written, and what takes its rows.

    Attributes
    ----------
    recipe : Recipe or None
        What made it; it may be given until the end.
    """

    def __init__(self, schema: Any, write: Callable[[Any], None]) -> None:
        self.recipe: Recipe | None = None
        self._schema, self._write = schema, write
        self._waiting: list[Any] = []

    def add(self, columns: Mapping[str, NDArray[Any] | str]) -> None:
        """Add rows, given as columns.

        A text stands for a column of nothing else. NaN, and what is masked, becomes null.
        """
        import pyarrow

        count = next(len(column) for column in columns.values() if not isinstance(column, str))
        arrays = [_array(columns[field.name], field.type, count) for field in self._schema]
        self._take(pyarrow.Table.from_arrays(arrays, schema=self._schema))

    def add_file(
        self,
        path: Path,
        *,
        columns: Sequence[str] = (),
        change: Callable[[Mapping[str, Masked]], Mapping[str, Masked]] | None = None,
    ) -> None:
        """Add the rows of a file with the same columns, a group of them at a time.

        Parameters
        ----------
        path : Path
            The file.
        columns : sequence of str
            Those that …
        change : callable, optional
            … this is given, with null masked, to give some that take their place.

        Raises
        ------
        FormatError
            If it is no such file.
        """
        for table in _groups_of(path, self._schema):
            given = {name: _masked(table[name]) for name in columns}
            for name, column in ({} if change is None else change(given)).items():
                place = self._schema.get_field_index(name)
                field = self._schema.field(place)
                table = table.set_column(place, field, _array(column, field.type, len(column)))
            self._take(table)

    def _take(self, table: Any) -> None:
        self._waiting.append(table)
        if sum(some.num_rows for some in self._waiting) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, as one group of rows."""
        import pyarrow

        if self._waiting:
            self._write(pyarrow.concat_tables(self._waiting).unify_dictionaries())
            self._waiting = []


@contextmanager
def open_parquet(path: Path, columns: Sequence[ParquetColumn]) -> Iterator[ParquetFile]:
    """Write a Parquet file, whole or not at all; its ``recipe`` is asked for at the end.

    Parameters
    ----------
    path : Path
        The file to make.
    columns : sequence of (str, str, str)
        In their order.
    """
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [
            pyarrow.field(name, _type(pyarrow, kind), metadata={"description": words})
            for name, kind, words in columns
        ]
    )
    with atomic_path(path) as part, parquet.ParquetWriter(part, schema, compression="zstd") as sink:
        file = ParquetFile(schema, sink.write_table)
        yield file
        file.flush()
        if file.recipe is not None:
            sink.add_key_value_metadata({_RECIPE: file.recipe.to_json()})


def require_parquet_name(path: Path, *, name: str) -> None:
    """Check the file that the option ``name`` asks for.

    Raises
    ------
    ConfigError
        If it is called otherwise than a Parquet file.
    """
    if path.suffix != _SUFFIX:
        raise ConfigError(f"{name} must end in {_SUFFIX}; got {path.name!r}")


def read_parquet_recipe(path: Path) -> Recipe | None:
    """Read the recipe of a Parquet file; None if it has none.

    Raises
    ------
    FormatError
        If it is no Parquet file.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        text = (parquet.read_metadata(path).metadata or {}).get(_RECIPE)
    except (pyarrow.ArrowException, OSError) as error:
        raise FormatError(f"{path}: not a readable Parquet file") from error
    return None if text is None else Recipe.from_json(text.decode())


def _groups_of(path: Path, schema: Any) -> Iterator[Any]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as stored:
            for group in range(stored.num_row_groups):
                yield stored.read_row_group(group).cast(schema)
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise FormatError(f"{path}: not a Parquet file of these columns") from error


def _masked(column: Any) -> Masked:
    """Give the values of a column, null masked."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(pyarrow.string())
    return np.ma.masked_array(column.to_numpy().copy(), column.is_null().to_numpy())


def _type(pyarrow: Any, kind: str) -> Any:
    texts = {
        "text": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
        "name": pyarrow.string(),
    }
    return texts[kind] if kind in texts else pyarrow.from_numpy_dtype(kind)


def _array(column: NDArray[Any] | str, kind: Any, count: int) -> Any:
    import pyarrow

    if isinstance(column, str):
        indices = np.zeros(count, np.int32)
        return pyarrow.DictionaryArray.from_arrays(indices, pyarrow.array([column]))
    values, mask = np.ma.getdata(column), np.ma.getmaskarray(column)
    if pyarrow.types.is_dictionary(kind):
        return pyarrow.array(values, kind.value_type, mask=mask).dictionary_encode()
    if values.dtype.kind == "f":
        mask = mask | np.isnan(values)
    return pyarrow.array(values, kind, mask=mask)
