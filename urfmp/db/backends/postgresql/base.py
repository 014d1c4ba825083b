"""Database engine: django-timescaledb's, with checks of tenancy, role and server."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from timescale.db.backends.postgresql.base import DatabaseWrapper as TimescaleWrapper
from timescale.db.backends.postgresql.base_impl import backend

from urfmp.common.tenancy.exceptions import TenantError
from urfmp.db.backends.postgresql.hang_detection import (
    DatabaseHangsError,
    GuardedConnection,
    server_address,
    server_watch,
)
from urfmp.db.backends.postgresql.schema import DatabaseSchemaEditor

_PRIVILEGES = """
    SELECT rolsuper, rolbypassrls,
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v')
                     AND c.relnamespace = 'public'::regnamespace)
    FROM pg_catalog.pg_roles r WHERE rolname = current_user
"""


# PostgreSQL gets this much more time to cancel a statement before the connection is closed.
_CANCEL_SECONDS = 2.0


def _client_limit(seconds: float) -> float | None:
    """Return how long this process waits for a statement that PostgreSQL limits."""
    return seconds + _CANCEL_SECONDS if seconds else None


@lru_cache(maxsize=1)
def _tenant_tables() -> re.Pattern[str]:
    """Return a pattern that matches the name of any tenant-owned table."""
    names = {
        model._meta.db_table
        for model in apps.get_models()
        if getattr(model, "is_tenant_owned", False)
    }
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, names))) + r")\b")


def connect_as_owner() -> psycopg.Connection[Any]:
    """Return a new connection of the tables' owner, who needs MIGRATION_DATABASE_URL."""
    parameters = connections["owner"].get_connection_params()
    return psycopg.connect(
        **{k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
    )


class DatabaseOperations(backend().ops_class):  # type: ignore[misc]
    """Operations whose flush runs as the tables' owner.

    The runtime role may not TRUNCATE.
    """

    def sql_flush(self, *args: Any, **kwargs: Any) -> list[str]:
        """Cascade to referring tables: Django does not manage the hypertables.

        The spool of the audit log refers to organizations without a foreign key.
        """
        statements: list[str] = super().sql_flush(*args, **{**kwargs, "allow_cascade": True})
        return [*statements, "TRUNCATE audit_spool"] if statements else []

    def execute_sql_flush(self, sql_list: list[str]) -> None:
        """Run the flush on the `owner` connection if one is configured."""
        if self.connection.alias == "owner" or "owner" not in connections.settings:
            super().execute_sql_flush(sql_list)
            return
        with connect_as_owner() as owner:
            for statement in sql_list:
                owner.execute(statement)


class DatabaseWrapper(TimescaleWrapper):
    """A connection that requires a tenant transaction for tenant tables.

    Its queries fail if the server hangs. `MAX_STATEMENT_SECONDS` in the settings limits each
    statement; PostgreSQL enforces it, and a little later this process.

    Attributes:
        tenant_id: Organization of the open tenant transaction. Only `urfmp.common.tenancy.context`
            sets it.
    """

    health_check_done: bool

    Database = SimpleNamespace(**{**vars(psycopg), "connect": GuardedConnection.connect})
    SchemaEditorClass = DatabaseSchemaEditor
    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Install the check if the connection's settings have `TENANT_WALL`."""
        super().__init__(*args, **kwargs)
        self.tenant_id: UUID | None = None
        if self.settings_dict.get("TENANT_WALL"):
            self.execute_wrappers.append(self._require_tenant)

    def in_outer_transaction(self) -> bool:
        """Return whether the innermost atomic block is inside another one."""
        return len(self.atomic_blocks) > 1

    def close_if_health_check_failed(self) -> None:
        """Run the health check only if the socket is readable.

        A server that stopped has closed the socket, which is visible without a round trip. A server
        that vanished from the network would not answer the check either.
        """
        if not self.health_check_done and self.health_check_enabled and self._is_idle():
            self.health_check_done = True
        super().close_if_health_check_failed()

    def _is_idle(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def get_new_connection(self, conn_params: Any) -> Any:
        """Connect; fail at once while the server is known to hang."""
        server_watch.raise_if_hung()
        try:
            return super().get_new_connection(conn_params)
        except psycopg.errors.ConnectionTimeout:
            if address := server_address(conn_params):
                server_watch.probe(address, is_suspect=True)
            raise DatabaseHangsError from None

    @contextmanager
    def statement_limit(self, seconds: float) -> Iterator[None]:
        """Replace the time limit of statements until the end of the block.

        Only within a transaction, at whose end the server's limit returns.

        Args:
            seconds: Time that each statement may take; 0 for no limit.
        """
        with self.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{int(seconds * 1000)}ms"]
            )
        link = self.connection
        previous, link.max_query_seconds = link.max_query_seconds, _client_limit(seconds)
        try:
            yield
        finally:
            link.max_query_seconds = previous

    def init_connection_state(self) -> None:
        """Reject a role that bypasses row-level security.

        Raises:
            ImproperlyConfigured: The role is a superuser, bypasses row security or owns tables.
        """
        super().init_connection_state()
        if seconds := self.settings_dict.get("MAX_STATEMENT_SECONDS"):
            with self.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, false)", [f"{seconds * 1000}ms"]
                )
            self.connection.max_query_seconds = _client_limit(seconds)
        if not self.settings_dict.get("TENANT_WALL"):
            return
        with self.cursor() as cursor:
            cursor.execute(_PRIVILEGES)
            superuser, bypasses, owns = cursor.fetchone()
        reasons = [
            reason
            for applies, reason in (
                (superuser, "is a superuser"),
                (bypasses, "bypasses row-level security"),
                (owns, "owns tables"),
            )
            if applies
        ]
        if reasons:
            msg = (
                f"DATABASE_URL connects as a role that {' and '.join(reasons)}, which would "
                "bypass the isolation of organizations. Use the runtime role urfmp_app; the owner "
                "belongs in MIGRATION_DATABASE_URL."
            )
            raise ImproperlyConfigured(msg)

    def _require_tenant(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        """Raise where row-level security would return no rows and hide the mistake."""
        if self.tenant_id is None and (found := _tenant_tables().search(str(sql))):
            msg = f"{found.group()} was queried outside of a tenant transaction."
            raise TenantError(msg)
        return execute(sql, params, many, context)
