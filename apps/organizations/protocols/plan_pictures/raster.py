"""PNG, JPEG and the first page of a PDF, encoded anew.

Only pixels remain: no metadata, no profiles, nothing behind the end of the picture.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pypdfium2
from PIL import Image, ImageOps

from apps.organizations.protocols.plan_pictures.formats import (
    JPEG,
    MAX_PIXELS,
    MAX_SIDE_PIXELS,
    MAX_STORED_BYTES,
    MIN_SIDE_PIXELS,
    PNG,
    PlanPicture,
    PlanPictureError,
)

_JPEG_QUALITY = 88
_SHRINK = 0.75
# Points are 1/72 inch. A page is drawn with at most 288 pixels per inch.
_MAX_PDF_SCALE = 4.0


def convert_raster(data: bytes, max_side_px: int = MAX_SIDE_PIXELS) -> PlanPicture:
    """Return a PNG or JPEG file, decoded and encoded anew.

    Raises:
        PlanPictureError: The file is damaged, or has too many or too few pixels.
    """
    # The size is checked below, before anything is decompressed.
    Image.MAX_IMAGE_PIXELS = None
    try:
        image: Any = Image.open(BytesIO(data), formats=("PNG", "JPEG"))
        _check_pixels(*image.size)
        if image.format == "JPEG":
            image.draft("RGB", (max_side_px, max_side_px))
        is_photo = image.format == "JPEG"
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits per pixel
            image = image.convert("I").point(lambda value: value / 256).convert("L")
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        msg = "The picture is damaged. Export it again as PNG or JPEG."
        raise PlanPictureError(msg) from error
    is_transparent = "A" in image.mode or "transparency" in image.info
    return _encode(
        image.convert("RGBA" if is_transparent else "RGB"), max_side_px, is_photo=is_photo
    )


def convert_pdf(data: bytes, max_side_px: int = MAX_SIDE_PIXELS) -> PlanPicture:
    """Return the first page of a PDF as a picture.

    Raises:
        PlanPictureError: The file is damaged, encrypted or has no page.
    """
    try:
        with pypdfium2.PdfDocument(data) as document:
            page = document[0]
            scale = min(_MAX_PDF_SCALE, max_side_px / max(page.get_size()))
            image = page.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
    except (pypdfium2.PdfiumError, ArithmeticError, IndexError, ValueError) as error:
        msg = "The PDF cannot be read. Save it without a password, or export the page as PNG."
        raise PlanPictureError(msg) from error
    return _encode(image, max_side_px, is_photo=False)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        msg = (
            f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels. Make it smaller."
        )
        raise PlanPictureError(msg)
    if min(width, height) < MIN_SIDE_PIXELS:
        msg = f"The picture is smaller than {MIN_SIDE_PIXELS} pixels. Export it in a larger size."
        raise PlanPictureError(msg)


def _encode(image: Any, max_side_px: int, *, is_photo: bool) -> PlanPicture:
    """Return the pixels of an image as a file of limited size."""
    side = max_side_px
    while True:
        image.thumbnail((side, side))
        _check_pixels(*image.size)
        # A new image has none of the metadata that the encoder would copy.
        plain = Image.new(image.mode, image.size)
        plain.paste(image)
        output = BytesIO()
        if is_photo and image.mode == "RGB":
            media_type = JPEG
            plain.save(output, "JPEG", quality=_JPEG_QUALITY)
        else:
            media_type = PNG
            plain.save(output, "PNG")
        if output.tell() <= MAX_STORED_BYTES:
            width, height = image.size
            return PlanPicture(media_type, width, height, output.getvalue())
        side = int(max(image.size) * _SHRINK)
