"""Many rows at once: asked for by a list that is one parameter, written without a mapping for each.

A statement that names thousands of values takes longer to write down and to read than to answer, and so does a
dictionary for each of a hundred thousand rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

PAGE = 5_000
"""Values asked for in one statement."""
MOST_VALUES = 999
"""Values written by one statement, as many as every release of SQLite takes: it runs each statement with other threads
let in, and ending it costs more than writing a row."""


def among(connection: sa.Connection, column: Any, values: Collection[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a column holds one of some texts, or of some whole numbers."""
    listed = list(values)
    if connection.dialect.name == "sqlite":
        found = sa.func.json_each(sa.literal(json.dumps(listed))).table_valued("value")
        chosen: sa.ColumnElement[bool] = column.in_(sa.select(found.c.value))
        return chosen
    from sqlalchemy.dialects import postgresql  # only where one is asked: it takes a tenth of a second to import

    one_of: sa.ColumnElement[bool] = column == sa.any_(sa.literal(listed, postgresql.ARRAY(column.type)))
    return one_of


def pages(values: Sequence[Any], size: int = PAGE) -> Iterator[Sequence[Any]]:
    """Yield values in pages, in order.

    Example:
        >>> list(pages([1, 2, 3], 2))
        [[1, 2], [3]]
    """
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


Rows = list[tuple[Any, ...]]
"""As the driver takes them: text, numbers, bytes or ``None`` for each column."""


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def delete_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Rows) -> None:
    """Delete the rows that have these values in these columns."""
    if rows:
        where = " AND ".join(f'"{column}" = {_mark(connection)}' for column in columns)
        connection.exec_driver_sql(f'DELETE FROM "{table.name}" WHERE {where}', rows)


def insert_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Rows) -> None:
    """Write rows: up to ``MOST_VALUES`` values in a statement, what is left over one row by one."""
    named = ", ".join(f'"{column}"' for column in columns)
    one = f"({', '.join(_mark(connection) for _ in columns)})"
    size = MOST_VALUES // len(columns)
    into, whole = f'INSERT INTO "{table.name}" ({named}) VALUES ', len(rows) // size * size
    many = into + ", ".join([one] * size)
    for page in pages(rows[:whole], size):
        connection.exec_driver_sql(many, tuple(chain.from_iterable(page)))
    if rows[whole:]:
        connection.exec_driver_sql(into + one, rows[whole:])
