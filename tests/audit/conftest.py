from __future__ import annotations

import psycopg
import pytest
from django.db import connections


@pytest.fixture
def superuser(settings):
    """A connection with all rights, as of an attacker; flushing undoes its changes."""
    parameters = connections["owner"].get_connection_params()
    wanted = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    with psycopg.connect(**wanted, autocommit=True) as link:
        yield link
