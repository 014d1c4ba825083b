"""Streamed files as responses, whose failures clients can see."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from django.db import Error
from django.http import StreamingHttpResponse

from urfmp.common.exceptions import ApplicationError
from urfmp.common.log_filters import single_line

logger = logging.getLogger(__name__)


class DownloadAbortedError(BrokenPipeError):
    """A response that has begun cannot be completed.

    The web server closes the connection without a final chunk, so that clients and proxies see an
    incomplete response. As a lost connection it writes no log of its own.
    """

    def __init__(self) -> None:
        super().__init__(errno.EPIPE, "The download was aborted.")


class _Content:
    """Parts of a file; later errors are logged in one line."""

    def __init__(self, parts: Iterator[bytes], file_name: str) -> None:
        self._parts = parts
        self._file_name = file_name
        self._first: bytes | None = None
        self._sent_bytes = 0

    def start(self) -> None:
        """Produce the first part, before anything is sent."""
        self._first = next(self._parts, None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part, self._first = self._first, None
        if part is None:
            try:
                part = next(self._parts)
            except StopIteration:
                raise
            except (Error, ApplicationError) as error:
                logger.warning(self._message(error))
                raise DownloadAbortedError from None
            except Exception as error:
                logger.exception("%s", self._message(error))  # noqa: TRY401 - with the bytes sent
                raise DownloadAbortedError from None
        self._sent_bytes += len(part)
        return part

    def _message(self, error: Exception) -> str:
        reason = single_line(str(error))
        return f"{self._file_name} was aborted after {self._sent_bytes} bytes: {reason}"

    def close(self) -> None:
        """End the export that produces the parts."""
        if (close := getattr(self._parts, "close", None)) is not None:
            close()


class DownloadResponse(StreamingHttpResponse):
    """A file that browsers save while it is streamed.

    It never looks complete after an error. `StreamStartMiddleware` produces the first part before
    the response begins, so that an early error still has a response of its own.
    """

    def __init__(self, content: Iterator[bytes], *, content_type: str, file_name: str) -> None:
        """Initialize the response.

        Args:
            content: Parts of the file, produced while they are sent.
            content_type: Media type.
            file_name: Name that browsers suggest.
        """
        self._content = _Content(content, file_name)
        super().__init__(
            self._content,
            content_type=content_type,
            headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
        )

    def start(self) -> None:
        """Produce the first part; its errors are raised as they are."""
        self._content.start()
