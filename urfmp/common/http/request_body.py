"""Bodies of requests that are refused."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, UnreadablePostError

CHUNK_BYTES = 64 * 1024


def drain_body(request: HttpRequest, max_bytes: int) -> None:
    """Take and drop what is still coming: a sender that is cut off sees no answer.

    Args:
        request: Whose body nobody will look at.
        max_bytes: How much is taken at most, in whole chunks of 64 KiB.
    """
    with suppress(UnreadablePostError):
        for _ in range(max_bytes // CHUNK_BYTES):
            if not request.read(CHUNK_BYTES):
                break
