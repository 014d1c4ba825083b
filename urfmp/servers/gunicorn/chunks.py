"""Decode chunked bodies (RFC 9112, section 7.1) as they arrive."""

from __future__ import annotations

from collections.abc import Callable

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
)

_MAX_SIZE_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 8192
_MAX_SIZE_DIGITS = 16
# How much of a malformed line an error quotes.
_SHOWN_BYTES = 32
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
# A chunk of one byte costs as much as one of 64 KB. Clients that write line by line stay below.
_FREE_CHUNKS = 1024
_MIN_AVERAGE_BYTES = 16


class ChunkDecoder:
    """A decoder that is fed with what the client sends.

    Attributes:
        is_complete: Whether the body has ended.
        surplus: Bytes after the end of the body.
        trailer: Trailer section, without its last line end.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """Initialize the decoder.

        Args:
            write: Called with each piece of the decoded body.
        """
        self.is_complete = False
        self.surplus = b""
        self.trailer = b""
        self._write = write
        self._rest = b""
        self._missing = 0  # bytes of the current chunk
        self._expects_line_end = False
        self._in_trailer = False
        self._chunks = 0
        self._decoded = 0

    def feed(self, data: bytes) -> None:
        """Decode further bytes.

        Raises:
            ParseException: The encoding is malformed, or costs more than its content.
        """
        data = self._rest + data
        at = 0
        while not self.is_complete:
            step = self._chunk(data, at) if self._missing else self._line(data, at)
            if step == 0:
                break
            at += step
        if self.is_complete:
            self._rest, self.surplus = b"", data[at:]
        else:
            self._rest = data[at:]

    def _chunk(self, data: bytes, at: int) -> int:
        """Decode bytes of a chunk; return their number."""
        part = data[at : at + self._missing]
        if part:
            self._write(part)
        self._missing -= len(part)
        self._decoded += len(part)
        self._expects_line_end = self._missing == 0
        return len(part)

    def _line(self, data: bytes, at: int) -> int:
        """Process one complete line; return its length including the line end."""
        if self._expects_line_end:
            if len(data) - at < 2:
                return 0
            if data[at : at + 2] != b"\r\n":
                raise ChunkMissingTerminator(data[at : at + 2])
            self._expects_line_end = False
            return 2
        end = data.find(b"\r\n", at)
        if end < 0:
            if len(data) - at > _MAX_SIZE_LINE_BYTES:
                raise InvalidChunkSize(data[at : at + _SHOWN_BYTES])
            return 0
        if self._in_trailer:
            self._trailer_line(data[at:end])
        else:
            self._size_line(data[at:end])
        return end + 2 - at

    def _size_line(self, line: bytes) -> None:
        size, semicolon, extension = line.partition(b";")
        if semicolon:
            size = size.rstrip(b" \t")
            if not CHUNK_EXT_RE.fullmatch(b";" + extension):
                raise InvalidChunkExtension(extension[:_SHOWN_BYTES])
        if not 0 < len(size) <= _MAX_SIZE_DIGITS or not _HEX_DIGITS.issuperset(size):
            raise InvalidChunkSize(size[:_SHOWN_BYTES])
        self._missing = int(size, 16)
        self._in_trailer = self._missing == 0
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS + self._decoded / _MIN_AVERAGE_BYTES:
            msg = b"the chunks are too small"
            raise InvalidChunkSize(msg)

    def _trailer_line(self, line: bytes) -> None:
        if not line:
            self.is_complete = True
            return
        if b"\n" in line:
            msg = "bare LF as line terminator"
            raise InvalidHeader(msg)
        self.trailer += line + b"\r\n"
        if len(self.trailer) > _MAX_TRAILER_BYTES:
            msg = "the trailer is too long"
            raise LimitRequestHeaders(msg)
