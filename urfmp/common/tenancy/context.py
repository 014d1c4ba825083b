"""The organization that the current transaction may see, and its actor.

PostgreSQL's row-level security policies read `app.organization_id`; the audit trigger reads the
other settings. All of them end with the transaction, so a reused connection never keeps an
organization.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import connection, transaction

if TYPE_CHECKING:
    from urfmp.db.backends.postgresql.base import DatabaseWrapper
from urfmp.common.tenancy.exceptions import TenantError


@dataclass(frozen=True)
class Actor:
    """The user or API key that acts, and the request.

    The audit trigger writes it beside each change.

    All fields are optional: a job has neither a user nor an API key.
    """

    user_id: UUID | None = None
    api_key_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    def settings(self) -> dict[str, str]:
        """Return the transaction settings that carry this actor."""
        return {
            "app.user_id": str(self.user_id or ""),
            "app.api_key_id": str(self.api_key_id or ""),
            "app.ip_address": self.ip_address or "",
            "app.user_agent": (self.user_agent or "")[:1000],
            "app.request_id": self.request_id or "",
        }


@dataclass(frozen=True)
class _Context:
    organization_id: UUID
    actor: Actor = field(default_factory=Actor)
    action: str = ""

    def settings(self) -> dict[str, str]:
        return {
            "app.organization_id": str(self.organization_id),
            "app.action": self.action,
            **self.actor.settings(),
        }


_context: ContextVar[_Context | None] = ContextVar("tenant_context", default=None)


def _database() -> DatabaseWrapper:
    return cast("DatabaseWrapper", connection)


def _apply(settings: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(*_set_config_sql(settings))


def _set_config_sql(settings: dict[str, str]) -> tuple[str, list[str]]:
    """Return the statement that sets them for the transaction, and its values."""
    calls = ", ".join("set_config(%s, %s, true)" for _ in settings)
    return f"SELECT {calls}", [part for pair in settings.items() for part in pair]


def current_organization_id() -> UUID | None:
    """Return the organization of the open tenant transaction, or None."""
    context = _context.get()
    return context.organization_id if context else None


def current_actor() -> Actor:
    """Return the actor of the open tenant transaction.

    Outside of a tenant transaction, the actor is empty.
    """
    context = _context.get()
    return context.actor if context else Actor()


@contextmanager
def tenant_transaction(
    organization_id: UUID,
    actor: Actor | None = None,
    *,
    action: str = "",
    durable: bool = False,
) -> Iterator[None]:
    """Open a transaction that sees the rows of one organization only.

    Requests, jobs, on-commit work and streams all use it; there is no other access. Inside another
    tenant transaction of the same organization it is a savepoint.

    Args:
        organization_id: Organization whose rows are visible and may be written.
        actor: Actor for the audit log; default: that of the outer transaction.
        action: Audit action of the whole transaction, as `audit_action` sets it for a part.
        durable: Whether all is committed at the end, so that no transaction may be open.

    Raises:
        RuntimeError: A transaction is open, and this one is durable.
        TenantError: A transaction of another organization is already open.
    """
    outer = _context.get()
    if outer and outer.organization_id != organization_id:
        msg = "A tenant transaction cannot be opened inside another organization's."
        raise TenantError(msg)
    context = _Context(organization_id, actor or (outer.actor if outer else Actor()), action)
    with transaction.atomic(durable=durable):
        with _activated(context):
            yield
        if connection.needs_rollback:
            return
        if outer:
            _apply(outer.settings())
        elif _database().in_outer_transaction():
            _apply(dict.fromkeys(context.settings(), ""))


@contextmanager
def platform_transaction(actor: Actor) -> Iterator[None]:
    """Open a transaction that writes the platform's audit log.

    Tenant tables stay inaccessible.

    Args:
        actor: Actor for the audit log.

    Raises:
        TenantError: An organization's transaction is open, which would own the audit row.
    """
    if _context.get() is not None:
        msg = "A platform transaction cannot be opened inside an organization's transaction."
        raise TenantError(msg)
    with transaction.atomic():
        _apply(actor.settings())
        yield
        if _database().in_outer_transaction() and not connection.needs_rollback:
            _apply(dict.fromkeys(actor.settings(), ""))


def execute_in_tenant(
    organization_id: UUID, sql: str, values: Sequence[Any], **settings: str
) -> tuple[Any, ...]:
    """Run one statement in its own tenant transaction; return its first row.

    Does the same as `tenant_transaction` in one round trip instead of four. PostgreSQL runs what is
    sent together as one transaction and commits it before it answers. The statement must not begin
    or end a transaction. Use it for fast paths that are never audited: it sets no actor.

    Args:
        organization_id: Organization whose rows are visible and may be written.
        sql: SQL statement.
        values: Its parameters.
        settings: PostgreSQL settings for the statement.

    Raises:
        TenantError: A transaction of another organization is already open.
    """
    with connection.cursor() as cursor:
        if connection.in_atomic_block:
            with tenant_transaction(organization_id):
                _apply(settings)
                cursor.execute(sql, values)
                return cast("tuple[Any, ...]", cursor.fetchone())
        set_config, parameters = _set_config_sql(
            {"app.organization_id": str(organization_id), **settings}
        )
        database = _database()
        database.tenant_id = organization_id
        try:
            cursor.execute(f"{set_config}; {sql}", [*parameters, *values])
        finally:
            database.tenant_id = None
        cursor.nextset()
        return cast("tuple[Any, ...]", cursor.fetchone())


@contextmanager
def switch_organization_transaction(organization_id: UUID) -> Iterator[None]:
    """Switch to another organization and back within one transaction.

    Platform staff need it for changes that concern two organizations, or that create one: both
    audit logs are written, or neither. Only one organization's rows are visible at a time. The
    actor stays the same.

    Args:
        organization_id: Organization whose rows are visible inside.
    """
    outer = _context.get()
    if outer is None or outer.organization_id == organization_id:
        with tenant_transaction(organization_id):
            yield
        return
    with transaction.atomic():
        with _activated(_Context(organization_id, outer.actor, outer.action)):
            yield
        if not connection.needs_rollback:
            _apply(outer.settings())


@contextmanager
def _activated(context: _Context) -> Iterator[None]:
    token = _context.set(context)
    database = _database()
    previous = database.tenant_id
    database.tenant_id = context.organization_id
    try:
        _apply(context.settings())
        yield
    finally:
        database.tenant_id = previous
        _context.reset(token)


@contextmanager
def audit_action(action: str, *, settings: Mapping[str, str] | None = None) -> Iterator[None]:
    """Set the audit action of a service; run it in one transaction.

    When services call each other, the outermost action is audited.

    Args:
        action: Dotted name, such as `robots.robot.create`.
        settings: Further settings of PostgreSQL for the block. They are set and cleared in the
            statements that set the action.

    Raises:
        TenantError: No tenant transaction is open.
    """
    outer = _context.get()
    if outer is None:
        msg = f"{action} needs a tenant transaction around it."
        raise TenantError(msg)
    inner = _Context(outer.organization_id, outer.actor, outer.action or action)
    changed = dict(settings or {})
    if inner.action != outer.action:
        changed["app.action"] = inner.action
    with transaction.atomic():
        if not changed:
            yield
            return
        token = _context.set(inner)
        try:
            _apply(changed)
            yield
        finally:
            _context.reset(token)
        if not connection.needs_rollback:
            _apply({**dict.fromkeys(changed, ""), "app.action": outer.action})
