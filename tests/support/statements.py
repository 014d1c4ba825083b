"""Statements of requests, without those that only a test's transaction causes."""

from __future__ import annotations

from typing import Any

_CLEARED = "SELECT set_config('app.organization_id', '', true)"


def request_statements(queries: Any) -> list[str]:
    """Return the captured statements that production runs too.

    The transaction of the test turns the request's transactions into savepoints, and goes on
    afterwards, so that their settings are cleared.
    """
    statements = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in statements if "SAVEPOINT" not in sql and not sql.startswith(_CLEARED)]
