"""Decompress Snappy's block format, which remote write uses."""

from __future__ import annotations

import cramjam

from apps.telemetry.exceptions import BatchTooLargeError, MalformedEncodingError

_MAX_LENGTH_BYTES = 5


def decompress_snappy(body: bytes, *, max_bytes: int) -> bytes:
    """Return a body that is compressed in Snappy's block format.

    Raises:
        BatchTooLargeError: The body declares more than `max_bytes`; they are not allocated.
        MalformedEncodingError: The body is not in this format.
    """
    if _declared_length(body) > max_bytes:
        megabytes = max_bytes // (1024 * 1024)
        msg = f"A batch must be at most {megabytes} MB. Send smaller batches."
        raise BatchTooLargeError(msg)
    try:
        return bytes(cramjam.snappy.decompress_raw(body)) if body else b""
    except cramjam.DecompressionError as error:
        msg = "The body cannot be decompressed as snappy."
        raise MalformedEncodingError(msg) from error


def _declared_length(body: bytes) -> int:
    """Return the length that a body begins with, a varint."""
    length = 0
    for position, byte in enumerate(body[:_MAX_LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return length
    return length
