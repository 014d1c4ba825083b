"""Limit uploaded files."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

# A larger request is rejected before its body is read. Smaller ones are read to their end, because
# only then browsers show the page that explains the limit.
_MAX_REQUEST_FACTOR = 4


class UploadLimitHandler(FileUploadHandler):
    """Rejects requests whose files exceed `MAX_UPLOAD_BYTES` in total.

    Django itself limits all other fields but no files.
    """

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._received = 0

    def handle_raw_input(
        self,
        input_data: Any,
        meta: dict[str, Any],
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Reject a request that is far too large.

        Raises:
            RequestDataTooBig: The request is more than four times too large.
        """
        if content_length > _MAX_REQUEST_FACTOR * settings.MAX_UPLOAD_BYTES:
            raise RequestDataTooBig

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Pass the data on, up to the limit.

        Raises:
            StopUpload: The limit is exceeded. The request then has no file.
        """
        self._received += len(raw_data)
        if self._received > settings.MAX_UPLOAD_BYTES:
            raise StopUpload(connection_reset=False)
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the next handler."""


def is_upload_too_large(request: HttpRequest) -> bool:
    """Return whether a file is missing because it was too large."""
    return int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_UPLOAD_BYTES
