"""Line protocol mappings of API keys, cached in each process."""

from __future__ import annotations

import time
from uuid import UUID

from apps.accounts.models import ApiKey
from apps.accounts.models.line_protocol_mapping import (
    LineProtocolMapping,
    parse_line_protocol_mapping,
)
from urfmp.common.tenancy.context import tenant_transaction

_CACHE_SECONDS = 5.0
_MAX_CACHED_MAPPINGS = 4_096
_cache: dict[UUID, tuple[float, LineProtocolMapping]] = {}


def get_line_protocol_mapping(key_id: UUID, organization_id: UUID) -> LineProtocolMapping:
    """Return the mapping of an API key, at most five seconds old."""
    now = time.monotonic()
    found = _cache.get(key_id)
    if found is not None and now < found[0]:
        return found[1]
    with tenant_transaction(organization_id):
        keys = ApiKey.objects.unscoped(reason="the key that asks").filter(pk=key_id)
        mapping = parse_line_protocol_mapping(
            keys.values_list("line_protocol_mapping", flat=True).first()
        )
    if len(_cache) >= _MAX_CACHED_MAPPINGS:
        _cache.clear()
    _cache[key_id] = now + _CACHE_SECONDS, mapping
    return mapping
