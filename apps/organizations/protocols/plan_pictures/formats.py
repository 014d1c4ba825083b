"""Formats of floor plans, and their limits."""

from __future__ import annotations

from dataclasses import dataclass

PNG = "image/png"
JPEG = "image/jpeg"
SVG = "image/svg+xml"
MEDIA_TYPES = (PNG, JPEG, SVG)

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_STORED_BYTES = 8 * 1024 * 1024
# A picture of 1 MB can decompress to gigabytes.
MAX_PIXELS = 60_000_000
MAX_SIDE_PIXELS = 4_096
MIN_SIDE_PIXELS = 16


class PlanPictureError(Exception):
    """The upload cannot be converted; the text says what to do."""


@dataclass(frozen=True)
class PlanPicture:
    """A converted picture.

    Attributes:
        media_type: One of `MEDIA_TYPES`.
        width_px: Width; of an SVG, that of the space in which points are calibrated.
        height_px: Height of the same space.
        content: Bytes of the file.
        omitted: Names of SVG elements that were left out.
    """

    media_type: str
    width_px: int
    height_px: int
    content: bytes
    omitted: tuple[str, ...] = ()
