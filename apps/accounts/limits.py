"""How often a key may ask."""

from __future__ import annotations

from django.conf import settings

from apps.accounts.credentials import KeyCredential
from urfmp.common.ratelimit import Counter, Decision, take


def take_request(credential: KeyCredential) -> Decision | None:
    """Count one request for a key and for its organization, or for neither.

    Returns:
        None when neither has a limit.
    """
    # The braces keep both counters on one node of a Redis cluster, as a script needs them.
    start = f"{{{credential.organization_id}}}"
    counters = []
    if credential.rate_limit is not None:
        counters.append(Counter(f"{start}:key:{credential.id}", credential.rate_limit))
    if settings.ORGANIZATION_RATE_LIMIT:
        counters.append(Counter(f"{start}:keys", settings.ORGANIZATION_RATE_LIMIT))
    return take(*counters) if counters else None
