"""Errors of tenancy."""

from __future__ import annotations


class TenantError(RuntimeError):
    """A tenant table was accessed outside of its organization's transaction."""
