"""API keys that were looked up a moment ago, remembered in each process.

Only for views that have the key looked at again in the transaction in which they store
(`confirms_key`): what is remembered saves a query, and decides nothing.
"""

from __future__ import annotations

import time
from uuid import UUID

from apps.accounts.selectors.credentials import KeyCredential, key_credential
from apps.accounts.selectors.key_format import key_is_well_formed
from urfmp.common.security.bearer_secrets import digest

_SECONDS = 5.0
_MOST_KEYS = 4_096

# By the keys' digests: what lies in memory opens nothing.
_remembered: dict[str, tuple[float, KeyCredential]] = {}


def remembered_key_credential(key: str) -> KeyCredential | None:
    """Return what a key stands for, or stood for a few seconds ago; None for an unknown one."""
    if not key_is_well_formed(key):
        return None
    now, name = time.monotonic(), digest(key)
    found = _remembered.get(name)
    if found is not None and now < found[0]:
        return found[1]
    credential = key_credential(key)
    if credential is not None:
        if len(_remembered) >= _MOST_KEYS:
            _remembered.clear()
        _remembered[name] = now + _SECONDS, credential
    return credential


def key_has_ended(key: str) -> bool:
    """Look a remembered key up anew, and tell whether it no longer stands for anything.

    For refusals: no transaction stores anything before them, in which the key would be confirmed.
    """
    _remembered.pop(digest(key), None)
    return remembered_key_credential(key) is None


def forget_key(key_id: UUID) -> None:
    """Look a key up anew the next time it is shown."""
    for name, (_, credential) in list(_remembered.items()):
        if credential.id == key_id:
            _remembered.pop(name, None)
