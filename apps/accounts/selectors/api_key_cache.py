"""API keys, cached in each process for a few seconds.

Only views that check the key again in the transaction of their writes may use this cache, because
a cached key may have been revoked.
"""

from __future__ import annotations

import time
from uuid import UUID

from apps.accounts.selectors.credentials import KeyCredential, key_credential
from apps.accounts.selectors.key_format import is_well_formed_key
from urfmp.common.security.bearer_secrets import hash_token

_CACHE_SECONDS = 5.0
_MAX_CACHED_KEYS = 4_096

# Indexed by digest, so that keys are not kept in memory.
_cache: dict[str, tuple[float, KeyCredential]] = {}


def cached_key_credential(key: str) -> KeyCredential | None:
    """Return a key's credential, at most five seconds old.

    Returns:
        The credential; None if the key is not valid, as `key_credential()` defines it.
    """
    if not is_well_formed_key(key):
        return None
    now, name = time.monotonic(), hash_token(key)
    found = _cache.get(name)
    if found is not None and now < found[0]:
        return found[1]
    credential = key_credential(key)
    if credential is not None:
        if len(_cache) >= _MAX_CACHED_KEYS:
            _cache.clear()
        _cache[name] = now + _CACHE_SECONDS, credential
    return credential


def is_key_invalid(key: str) -> bool:
    """Return whether a key is invalid now, and cache it again.

    An invalid key is unknown, revoked or expired, or of a retired robot or inactive organization.

    Used before a request is rejected for another reason: such a request has no transaction that
    would check the key.
    """
    _cache.pop(hash_token(key), None)
    return cached_key_credential(key) is None


def invalidate_key(key_id: UUID) -> None:
    """Remove a key from this process's cache."""
    for name, (_, credential) in list(_cache.items()):
        if credential.id == key_id:
            _cache.pop(name, None)
