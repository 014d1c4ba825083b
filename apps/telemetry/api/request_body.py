"""Read request bodies, plain or compressed, up to the maximum batch size."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BytesIO
from uuid import UUID

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from apps.telemetry.exceptions import (
    BatchTooLargeError,
    IncompleteBodyError,
    MalformedEncodingError,
    UnsupportedEncodingError,
)
from apps.telemetry.protocols.prometheus.snappy import decompress_snappy
from apps.telemetry.services.ingest.backpressure import ByteBudget
from apps.telemetry.services.ingest.fair_share import fair_share

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


# A frame declares the window that its reader must allocate; the maximum is that of a batch, 8 MB.
_ZSTD_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}


def _gzip_reader(body: bytes) -> BufferedIOBase:
    return gzip.GzipFile(fileobj=BytesIO(body))


def _zstd_reader(body: bytes) -> BufferedIOBase:
    return zstd.ZstdFile(BytesIO(body), options=_ZSTD_OPTIONS)


_READERS: dict[str, Callable[[bytes], BufferedIOBase]] = {
    "gzip": _gzip_reader,
    "x-gzip": _gzip_reader,
    "zstd": _zstd_reader,
}
# The magic bytes of each part of a compressed body. A part has a fixed cost, even if it is empty: a
# body of empty parts would take half a minute to decompress.
_PART_MAGIC: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "x-gzip": (b"\x1f\x8b\x08",),
    "zstd": (b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"),
}
_MAX_PARTS = 1_000
_budget = ByteBudget()


@contextmanager
def reserved_body(request: HttpRequest, organization_id: UUID) -> Iterator[bytes]:
    """Yield the decompressed body; reserve its bytes and a request's share.

    Raises:
        BusyError: The byte budget or the organization's share is exhausted.
    """
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    size = min(length, settings.TELEMETRY_MAX_BODY_BYTES)
    with (
        fair_share.request(organization_id),
        _budget.reserve(organization_id, size) as reservation,
    ):
        body = read_body(request)
        reservation.extend(max(len(body) - reservation.size, 0))
        yield body


def read_body(request: HttpRequest) -> bytes:
    """Return the decompressed body, without a byte order mark.

    Prometheus compresses with snappy, which other senders may use as well.

    Raises:
        IncompleteBodyError: The client sent less than it declared.
        BatchTooLargeError: The body exceeds `TELEMETRY_MAX_BODY_BYTES`, compressed or not.
        MalformedEncodingError: The body cannot be decompressed.
        UnsupportedEncodingError: The Content-Encoding is neither gzip nor zstd.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {*_READERS, "snappy", "identity", ""}:
        msg = "Send the body uncompressed, or with Content-Encoding gzip or zstd."
        raise UnsupportedEncodingError(msg)
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.TELEMETRY_MAX_BODY_BYTES:
        raise BatchTooLargeError(_size_limit_message())
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise BatchTooLargeError(_size_limit_message()) from error
    except UnreadablePostError as error:
        raise IncompleteBodyError from error
    if encoding == "snappy":
        return decompress_snappy(body, max_bytes=settings.TELEMETRY_MAX_BODY_BYTES)
    if encoding in _READERS:
        body = _decompress(body, encoding)
    return body.removeprefix(codecs.BOM_UTF8)


def _decompress(body: bytes, encoding: str) -> bytes:
    limit = settings.TELEMETRY_MAX_BODY_BYTES
    # An upper bound: magic bytes also occur by chance, about once in the largest body.
    if sum(map(body.count, _PART_MAGIC[encoding])) > _MAX_PARTS:
        msg = f"The body is compressed in more than {_MAX_PARTS} parts. Compress it as one."
        raise MalformedEncodingError(msg)
    try:
        with _READERS[encoding](body) as reader:
            content = reader.read(limit + 1)
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        msg = f"The body cannot be decompressed as {encoding}: {error}"
        raise MalformedEncodingError(msg) from error
    if len(content) > limit:
        raise BatchTooLargeError(_size_limit_message())
    return content


def _size_limit_message() -> str:
    megabytes = settings.TELEMETRY_MAX_BODY_BYTES // (1024 * 1024)
    return f"A batch must be at most {megabytes} MB. Send smaller batches."
