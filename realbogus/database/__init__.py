"""The survey's database: the only home of SQLAlchemy and PyMySQL.

``schema`` has the tables, ``connection`` the way to them, ``atlas`` and ``ps1`` the queries.
"""

from realbogus.database.connection import Database

__all__ = ["Database"]
