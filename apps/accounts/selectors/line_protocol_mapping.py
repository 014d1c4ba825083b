"""The line protocol mapping of an API key, cached in each process."""

from __future__ import annotations

import time
from uuid import UUID

from apps.accounts.models import ApiKey
from apps.accounts.models.line_protocol_mapping import (
    LineMapping,
    mapping_read,
)
from urfmp.common.tenancy.context import tenant_transaction

_REMEMBERED_SECONDS = 5.0
_MOST_REMEMBERED = 4_096
_remembered: dict[UUID, tuple[float, LineMapping]] = {}


def line_mapping_of(key_id: UUID, organization_id: UUID) -> LineMapping:
    """Return a key's mapping, as it was at most five seconds ago."""
    now = time.monotonic()
    found = _remembered.get(key_id)
    if found is not None and now < found[0]:
        return found[1]
    with tenant_transaction(organization_id):
        keys = ApiKey.objects.unscoped(reason="the key that asks").filter(pk=key_id)
        mapping = mapping_read(keys.values_list("line_protocol_mapping", flat=True).first())
    if len(_remembered) >= _MOST_REMEMBERED:
        _remembered.clear()
    _remembered[key_id] = now + _REMEMBERED_SECONDS, mapping
    return mapping
