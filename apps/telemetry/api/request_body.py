"""Read the body of a request: plain, gzip or zstd, never more than a batch may be."""

from __future__ import annotations

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
    BodyTooLargeError,
    BrokenBodyError,
    BusyError,
    MalformedEncodingError,
    UnsupportedEncodingError,
)
from apps.telemetry.services.ingest.backpressure import Admission
from urfmp.common.http.request_body import read_on

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


# A frame names the window that its reader has to hold; ours is as large as a batch, 8 MB.
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
# How a part of a packed body begins, one that holds nothing included. Each part costs its reader
# the same, empty or not: a body of nothing but empty ones would take half a minute.
_PART_MARKS: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "x-gzip": (b"\x1f\x8b\x08",),
    "zstd": (b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"),
}
_PARTS_AT_MOST = 1_000
_admission = Admission()


@contextmanager
def admitted_body(request: HttpRequest, organization_id: UUID) -> Iterator[bytes]:
    """Give the body, unpacked, while there is room for it, and hold the room for the block.

    Raises:
        BusyError: There is no room for it. What was still coming has been read and dropped.
    """
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    try:
        with _admission.admitted(
            organization_id, min(length, settings.TELEMETRY_MAX_BODY_BYTES)
        ) as room:
            body = read_body(request)
            room.grow(max(len(body) - room.size, 0))
            yield body
    except BusyError:
        read_on(request, 4 * settings.TELEMETRY_MAX_BODY_BYTES)
        raise


def read_body(request: HttpRequest) -> bytes:
    """Return the body, unpacked.

    Raises:
        BrokenBodyError: It did not come whole.
        BodyTooLargeError: It is larger than `TELEMETRY_MAX_BODY_BYTES`, packed or unpacked.
            What was still coming has been read, within reason, so that the sender gets to the
            answer.
        MalformedEncodingError: It cannot be unpacked.
        UnsupportedEncodingError: Its Content-Encoding is neither gzip nor zstd.
    """
    encoding = request.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {*_READERS, "identity", ""}:
        msg = "Send the body plain, or with Content-Encoding gzip or zstd."
        raise UnsupportedEncodingError(msg)
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.TELEMETRY_MAX_BODY_BYTES:
        raise _too_large(request)
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise _too_large(request) from error
    except UnreadablePostError as error:
        raise BrokenBodyError from error
    if encoding in _READERS:
        return _unpacked(body, encoding)
    return body


def _unpacked(body: bytes, encoding: str) -> bytes:
    limit = settings.TELEMETRY_MAX_BODY_BYTES
    # Inside a part marks turn up by chance too, about one in the largest body: no exact count.
    if sum(map(body.count, _PART_MARKS[encoding])) > _PARTS_AT_MOST:
        msg = f"The body is packed in more than {_PARTS_AT_MOST} parts; pack it as one."
        raise MalformedEncodingError(msg)
    try:
        with _READERS[encoding](body) as reader:
            unpacked = reader.read(limit + 1)
    except (OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        msg = f"The body cannot be unpacked as {encoding}: {error}"
        raise MalformedEncodingError(msg) from error
    if len(unpacked) > limit:
        raise BodyTooLargeError(_limit_sentence())
    return unpacked


def _too_large(request: HttpRequest) -> BodyTooLargeError:
    read_on(request, 4 * settings.TELEMETRY_MAX_BODY_BYTES)
    return BodyTooLargeError(_limit_sentence())


def _limit_sentence() -> str:
    megabytes = settings.TELEMETRY_MAX_BODY_BYTES // (1024 * 1024)
    return f"A batch is at most {megabytes} MB; send it in smaller parts."
