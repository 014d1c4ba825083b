"""Bodies of rejected requests."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpRequest, UnreadablePostError

CHUNK_BYTES = 64 * 1024


def drain_body(request: HttpRequest, max_bytes: int) -> None:
    """Read and discard the rest of a body.

    A client that is cut off while sending would not see the response.

    Args:
        request: Rejected request, whose body is not used.
        max_bytes: Maximum to read, in whole chunks of 64 KiB.
    """
    with suppress(UnreadablePostError):
        for _ in range(max_bytes // CHUNK_BYTES):
            if not request.read(CHUNK_BYTES):
                break
