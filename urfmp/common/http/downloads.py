"""Streamed files as responses."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import StreamingHttpResponse


def download_response(
    content: Iterator[bytes], *, content_type: str, file_name: str
) -> StreamingHttpResponse:
    """Return a response that browsers save as a file while streaming."""
    return StreamingHttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
