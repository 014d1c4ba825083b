"""Requests as they arrive; they are complete before a thread handles them."""

from __future__ import annotations

import re
from collections import deque
from typing import Any, NoReturn

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import (
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from urfmp.servers.gunicorn.chunks import ChunkDecoder
from urfmp.servers.gunicorn.limits import Limits

_HEAD_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
# Pieces are joined up to this size, so that a body of tiny chunks needs no more memory.
_MIN_PIECE_BYTES = 64 * 1024


class BodyTooLargeError(ParseException):
    """The body is larger than the server accepts."""


class BodyPieces:
    """A received body; what was read from it no longer needs memory.

    Attributes:
        received: Number of bytes that were added.
    """

    def __init__(self) -> None:
        """Start without content."""
        self.received = 0
        self._pieces: deque[bytearray] = deque()

    def add(self, data: bytes) -> None:
        """Add bytes to the end."""
        self.received += len(data)
        if self._pieces and len(self._pieces[-1]) < _MIN_PIECE_BYTES:
            self._pieces[-1] += data
        else:
            self._pieces.append(bytearray(data))

    def read(self, size: int) -> bytes:
        """Return one to `size` bytes; none at the end."""
        if not self._pieces:
            return b""
        piece = self._pieces[0]
        if len(piece) <= size:
            return bytes(self._pieces.popleft())
        data = bytes(piece[:size])
        del piece[:size]
        return data


class IncomingRequest:
    """One request that is being received.

    Attributes:
        request: The parsed head; None until it has arrived.
        is_complete: Whether head and body have arrived.
        surplus: Bytes after the request: the beginning of the next one.
        received: Number of bytes received so far.
    """

    def __init__(self, config: Any, limits: Limits, address: Any, number: int) -> None:
        """Start to receive a request.

        Args:
            config: Gunicorn's configuration.
            limits: Limits of size.
            address: Address of the client.
            number: Number of the request on its connection, from 1.
        """
        self.request: Request | None = None
        self.is_complete = False
        self.surplus = b""
        self.received = 0
        self.body = BodyPieces()
        self._config = config
        self._limits = limits
        self._address = address
        self._number = number
        self._head = bytearray()
        self._missing = 0
        self._max_body_bytes = limits.max_body_bytes
        self._decoder: ChunkDecoder | None = None

    def feed(self, data: bytes) -> None:
        """Process further bytes.

        Raises:
            ParseException: The request is malformed or too large.
        """
        self.received += len(data)
        if self.request is not None:
            self._feed_body(data)
            return
        searched = max(len(self._head) - len(_HEAD_END) + 1, 0)
        self._head += data
        end = self._head.find(_HEAD_END, searched)
        if end < 0:
            if len(self._head) > self._limits.max_head_bytes:
                self._reject_long_head()
            if _BARE_LF.search(self._head, searched):
                msg = "bare LF as line terminator"
                raise InvalidHeader(msg)
            return
        end += len(_HEAD_END)
        if end > self._limits.max_head_bytes:
            self._reject_long_head()
        rest = bytes(self._head[end:])
        self.request = self._parse(bytes(self._head[:end]))
        self._head.clear()
        self._start_body()
        self._feed_body(rest)

    def continue_if_expected(self) -> bool:
        """Return whether the client waits for `100 Continue`, once."""
        request = self.request
        if request is None or not request._expected_100_continue:  # noqa: SLF001
            return False
        # Gunicorn would send it when a thread is assigned, which waits for the body.
        request._expected_100_continue = False  # noqa: SLF001
        return not self.is_complete and self.body.received == 0

    def _parse(self, head: bytes) -> Request:
        try:
            request = Request(self._config, IterUnreader([head]), self._address, self._number)
        except (NoMoreData, StopIteration) as error:
            msg = "incomplete head"
            raise InvalidHeader(msg) from error
        # RFC 9112, section 3.2: a request without it is to be rejected.
        if request.version >= (1, 1) and "HOST" not in dict(request.headers):
            msg = "HOST"
            raise InvalidHeader(msg)
        return request

    def _reject_long_head(self) -> NoReturn:
        """Raise the error of a head that is too long."""
        line, end, _ = self._head.partition(b"\r\n")
        limit = self._config.limit_request_line
        if not end or len(line) > limit:
            raise LimitRequestLine(len(line), limit)
        msg = f"the head exceeds {self._limits.max_head_bytes} bytes"
        raise LimitRequestHeaders(msg)

    def _start_body(self) -> None:
        request = self.request
        assert request is not None  # noqa: S101 - for the type checker
        headers = dict(request.headers)
        if headers.get("CONTENT-TYPE", "").lower().startswith("multipart/form-data"):
            self._max_body_bytes = self._limits.max_upload_bytes
        reader = request.body.reader
        if isinstance(reader, ChunkedReader):
            # With another coding below, the application could not read the body.
            if headers["TRANSFER-ENCODING"].strip(" \t").lower() != "chunked":
                raise UnsupportedTransferCoding(headers["TRANSFER-ENCODING"])
            self._decoder = ChunkDecoder(self._add)
        elif isinstance(reader, LengthReader):
            self._missing = reader.length
            self._check_size(reader.length)

    def _feed_body(self, data: bytes) -> None:
        if self._decoder is not None:
            self._decoder.feed(data)
            if self._decoder.is_complete:
                self._complete_chunked(self._decoder)
            return
        part = data[: self._missing]
        if part:
            self._add(part)
            self._missing -= len(part)
        if self._missing == 0:
            self._complete(data[len(part) :])

    def _complete_chunked(self, decoder: ChunkDecoder) -> None:
        """Give the application a body of known length.

        It sees the same request as from a client that knew the length.
        """
        request = self.request
        assert request is not None  # noqa: S101 - for the type checker
        if decoder.trailer:
            request.parse_headers(decoder.trailer.removesuffix(b"\r\n"), from_trailer=True)
        request.headers = [
            header
            for header in request.headers
            if header[0] not in {"TRANSFER-ENCODING", "TRAILER"}
        ]
        request.headers.append(("CONTENT-LENGTH", str(self.body.received)))
        self._complete(decoder.surplus)

    def _complete(self, surplus: bytes) -> None:
        assert self.request is not None  # noqa: S101 - for the type checker
        self.request.body = Body(self.body)
        self.surplus = surplus
        self.is_complete = True

    def _add(self, data: bytes) -> None:
        self._check_size(self.body.received + len(data))
        self.body.add(data)

    def _check_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise BodyTooLargeError
