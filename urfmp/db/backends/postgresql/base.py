"""Database engine: django-timescaledb's, with a check of tenancy and of the role."""

from __future__ import annotations

import re
import select
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from timescale.db.backends.postgresql.base import DatabaseWrapper as TimescaleWrapper
from timescale.db.backends.postgresql.base_impl import backend

from urfmp.common.tenancy.exceptions import TenantError
from urfmp.db.backends.postgresql.schema import DatabaseSchemaEditor

_PRIVILEGES = """
    SELECT rolsuper, rolbypassrls,
           EXISTS (SELECT FROM pg_catalog.pg_class c
                   WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v')
                     AND c.relnamespace = 'public'::regnamespace)
    FROM pg_catalog.pg_roles r WHERE rolname = current_user
"""


@lru_cache(maxsize=1)
def _tenant_tables() -> re.Pattern[str]:
    """Return a pattern that matches the name of any tenant-owned table."""
    names = {
        model._meta.db_table
        for model in apps.get_models()
        if getattr(model, "is_tenant_owned", False)
    }
    return re.compile(r"\b(?:" + "|".join(sorted(map(re.escape, names))) + r")\b")


class DatabaseOperations(backend().ops_class):  # type: ignore[misc]
    """Operations whose flush runs as the tables' owner.

    The runtime role may not TRUNCATE.
    """

    def sql_flush(self, *args: Any, **kwargs: Any) -> list[str]:
        """Cascade to referring tables: Django does not manage the hypertables."""
        statements: list[str] = super().sql_flush(*args, **{**kwargs, "allow_cascade": True})
        return statements

    def execute_sql_flush(self, sql_list: list[str]) -> None:
        """Run the flush on the `owner` connection if one is configured."""
        if self.connection.alias == "owner" or "owner" not in connections.settings:
            super().execute_sql_flush(sql_list)
            return
        parameters = connections["owner"].get_connection_params()
        arguments = {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}
        with psycopg.connect(**arguments) as owner:
            for statement in sql_list:
                owner.execute(statement)


class DatabaseWrapper(TimescaleWrapper):
    """A connection that requires a tenant transaction for tenant tables.

    Attributes:
        tenant_id: Organization of the open tenant transaction. Only `urfmp.common.tenancy.context`
            sets it.
    """

    health_check_done: bool

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

    def init_connection_state(self) -> None:
        """Reject a role that bypasses row-level security.

        Raises:
            ImproperlyConfigured: The role is a superuser, bypasses row security or owns tables.
        """
        super().init_connection_state()
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
