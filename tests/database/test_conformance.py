from __future__ import annotations

from tests.support.conformance import conformance_errors


def test_database_conforms_to_specification(owner_cursor):
    assert conformance_errors(owner_cursor) == []
