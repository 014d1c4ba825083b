"""The program of the process that converts floor plans.

It reads the file from standard input and writes the picture to standard output. The output begins
with a line of JSON: the picture's properties, or an error for the user.
"""

from __future__ import annotations

import json
import sys

from apps.organizations.protocols.plan_pictures.formats import (
    MAX_SIDE_PIXELS,
    PlanPicture,
    PlanPictureError,
)
from apps.organizations.protocols.plan_pictures.raster import convert_pdf, convert_raster
from apps.organizations.protocols.plan_pictures.svg import convert_svg
from urfmp.common.security.isolated_process import limit_own_resources

_MAX_MEMORY_BYTES = 1_500 * 1024 * 1024
_MAX_CPU_SECONDS = 20
_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8\xff"
_PDF_START = b"%PDF-"
# A PDF may begin with a few bytes of something else.
_PDF_SEARCHED_BYTES = 1024


def convert(data: bytes, max_side_px: int = MAX_SIDE_PIXELS) -> PlanPicture:
    """Return an upload as a picture.

    The content decides what it is, not the name.

    Args:
        data: Bytes of the upload.
        max_side_px: Longest side of a picture made of pixels.

    Raises:
        PlanPictureError: The upload is not a PNG, JPEG, SVG or PDF file, or it is damaged.
    """
    if data.startswith((_PNG_START, _JPEG_START)):
        return convert_raster(data, max_side_px)
    if _PDF_START in data[:_PDF_SEARCHED_BYTES]:
        return convert_pdf(data, max_side_px)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or data[:2] in {
        b"\xff\xfe",
        b"\xfe\xff",
    }:
        return convert_svg(data)
    msg = "Upload a PNG, JPEG, SVG or PDF file."
    raise PlanPictureError(msg)


def main(max_side_px: str) -> None:
    """Convert standard input, within the limits of this process."""
    limit_own_resources(max_memory_bytes=_MAX_MEMORY_BYTES, max_cpu_seconds=_MAX_CPU_SECONDS)
    try:
        picture = convert(sys.stdin.buffer.read(), int(max_side_px))
    except PlanPictureError as error:
        _answer({"error": str(error)})
        return
    except (MemoryError, RecursionError):
        _answer({"error": "The file is too complex. Simplify it, or export it as PNG."})
        return
    properties = {
        "media_type": picture.media_type,
        "width_px": picture.width_px,
        "height_px": picture.height_px,
        "omitted": picture.omitted,
    }
    _answer(properties, picture.content)


def _answer(head: dict[str, object], content: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + content)
