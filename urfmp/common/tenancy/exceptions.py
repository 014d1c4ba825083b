"""Errors of the tenant wall."""

from __future__ import annotations


class TenantError(RuntimeError):
    """A tenant table was touched outside of a tenant transaction, or inside a foreign one."""
