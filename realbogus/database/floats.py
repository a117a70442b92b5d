"""Comparisons with FLOAT columns, and their values in full.

A server keeps the float32 nearest to a value in such a column, SQLite the value itself. A stored
0.01 is thus a little below 0.01 on a server, and a stored 0.3 a little above 0.3. These conditions
treat a value that was stored as the bound as equal to it on both.

MySQL's text protocol would round what such a column holds to six digits. A sum with a DOUBLE is
given in full by every server; not all can cast.
"""

import numpy as np
from sqlalchemy import Column, ColumnElement, Double, literal_column, type_coerce

__all__ = ["above", "at_least", "below", "in_full"]


def at_least(column: Column[float], bound: float) -> ColumnElement[bool]:
    """Ask for ``column >= bound``."""
    return column >= min(_stored(bound))


def above(column: Column[float], bound: float) -> ColumnElement[bool]:
    """Ask for ``column > bound``."""
    return column > max(_stored(bound))


def below(column: Column[float], bound: float) -> ColumnElement[bool]:
    """Ask for ``column < bound``."""
    return column < min(_stored(bound))


def in_full(column: Column[float]) -> ColumnElement[float]:
    """Ask for all digits of what a column holds."""
    return type_coerce(column, Double) + literal_column("0e0", Double)


def _stored(bound: float) -> tuple[float, float]:
    return bound, float(np.float32(bound))
