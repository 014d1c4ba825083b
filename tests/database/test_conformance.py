from __future__ import annotations

from tests.support.conformance import conformance_faults


def test_database_has_everything_specified(owner_cursor):
    assert conformance_faults(owner_cursor) == []
