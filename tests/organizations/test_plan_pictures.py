"""Uploads of floor plans: what is kept of them, and what is rejected."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from xml.etree import ElementTree

import pypdfium2
import pytest
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from apps.organizations.choices import PlanMediaType
from apps.organizations.protocols.plan_pictures import formats
from apps.organizations.protocols.plan_pictures.formats import PlanPictureError
from apps.organizations.protocols.plan_pictures.program import convert
from apps.organizations.services import floor_plans
from apps.organizations.services.floor_plans import plan_picture

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100">{}</svg>'


def image_file(kind, size=(200, 100), mode="RGB", **options):
    output = BytesIO()
    Image.new(mode, size, 128 if mode != "RGB" else (200, 30, 30)).save(output, kind, **options)
    return output.getvalue()


def pdf_file(width=200, height=100):
    document = pypdfium2.PdfDocument.new()
    document.new_page(width, height)
    output = BytesIO()
    document.save(output)
    return output.getvalue()


def png_of_declared_size(width, height):
    """Return a small file that declares a large picture."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def svg(body, **values):
    return convert(SVG.format(body).encode()).content.decode()


def test_formats_are_those_of_the_column():
    assert set(formats.MEDIA_TYPES) == set(PlanMediaType.values)


@pytest.mark.parametrize(
    ("data", "media_type", "size"),
    [
        (image_file("PNG"), "image/png", (200, 100)),
        (image_file("PNG", mode="L"), "image/png", (200, 100)),
        (image_file("PNG", mode="I;16"), "image/png", (200, 100)),
        (image_file("JPEG"), "image/jpeg", (200, 100)),
        (image_file("JPEG", size=(5000, 100)), "image/jpeg", (4096, 82)),
        (pdf_file(), "image/png", (800, 400)),
        (b"\n" + pdf_file(2000, 1000), "image/png", (4096, 2048)),
        (SVG.format("<path d='M0 0h9'/>").encode(), "image/svg+xml", (2048, 1024)),
    ],
)
def test_upload_becomes_picture(data, media_type, size):
    picture = convert(data)
    assert (picture.media_type, picture.width_px, picture.height_px) == (media_type, *size)
    if media_type != "image/svg+xml":
        assert Image.open(BytesIO(picture.content)).size == size


def test_raster_loses_metadata_and_appended_bytes():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif[0x0112] = 6  # turned by 90 degrees
    data = image_file("JPEG", exif=exif, comment=b"a comment") + b"<script>alert(1)</script>"
    picture = convert(data)
    assert (picture.width_px, picture.height_px) == (100, 200)
    for text in (b"secret place", b"a comment", b"script"):
        assert text not in picture.content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "PNG, JPEG, SVG or PDF"),
        (b"GIF89a" + b"\0" * 50, "PNG, JPEG, SVG or PDF"),
        (image_file("PNG")[:60], "damaged"),
        (b"\xff\xd8\xff" + b"\0" * 500, "damaged"),
        (png_of_declared_size(60_000, 60_000), "60 million pixels"),
        (png_of_declared_size(2**31 - 1, 1), "million pixels"),
        (image_file("PNG", size=(200, 3)), "smaller than 16"),
        (b"%PDF-1.7 nothing", "PDF cannot be read"),
        (b"<html><body>x</body></html>", "not SVG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no size"),
        (SVG.format("<g>").encode(), "not valid SVG"),
        (SVG.format("<g>" * 200 + "</g>" * 200).encode(), "too many elements"),
        (SVG.format("<g/>" * 100_001).encode(), "too many elements"),
        (
            b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
            + SVG.format("<text>&b;</text>").encode(),
            "entities",
        ),
        (
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            + SVG.format("<text>&x;</text>").encode(),
            "entities",
        ),
    ],
)
def test_unusable_upload_is_rejected_with_advice(data, message):
    with pytest.raises(PlanPictureError, match=message):
        convert(data)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>",
        "<foreignObject><iframe src='x'/></foreignObject>",
        "<image href='https://evil.example/a.png'/>",
        "<use href='https://evil.example/a.svg#x'/>",
        "<a href='javascript:alert(1)'><path d='M0 0'/></a>",
        "<path onclick='alert(1)' d='M0 0'/>",
        "<path fill='url(https://evil.example/)' d='M0 0'/>",
        "<path fill='u\\72l(https://evil.example/)' d='M0 0'/>",
        "<path style='fill:url(https://evil.example/)' d='M0 0'/>",
        "<path style='background-image:url(https://evil.example/)' d='M0 0'/>",
        "<style>@import 'https://evil.example/';</style>",
        "<style>path{fill:url(//evil.example/)}</style>",
        "<style>@font-face{src:url(//evil.example/)}</style>",
        "<animate attributeName='href' values='javascript:alert(1)'/>",
        "<set attributeName='onload' to='alert(1)'/>",
        "<linearGradient href='https://evil.example/#a'/>",
        "<?xml-stylesheet href='https://evil.example/a.css'?>",
        "<!-- https://evil.example/ -->",
        "<handler xmlns='http://www.w3.org/2001/xml-events'>alert(1)</handler>",
        "<path d='M0 0' xmlns:x='urn:x' x:href='https://evil.example'/>",
    ],
)
def test_svg_keeps_nothing_that_runs_or_loads(hostile):
    text = svg(hostile + "<rect width='9' height='9'/>")
    for word in ("evil", "script", "alert", "onclick", "onload", "import", "foreignObject"):
        assert word not in text
    assert '<rect width="9" height="9"></rect>' in text


def test_svg_keeps_what_draws():
    text = svg(
        "<defs><linearGradient id='a'><stop offset='0' stop-color='red'/></linearGradient></defs>"
        "<style>.wall, #b > path { fill: url(#a); stroke: #333 } .x { behavior: y }</style>"
        "<g id='b' transform='scale(2)'><path class='wall' d='M0 0 L9 9' fill='url(#a)'/></g>"
        "<text x='1' style='font-size:4px; fill: red'>Hall &lt;1&gt;</text>"
    )
    for part in (
        'fill="url(#a)"', "fill:url(#a);stroke:#333", 'transform="scale(2)"',
        'style="font-size:4px;fill:red"', "Hall &lt;1&gt;", 'stop-color="red"', 'class="wall"',
    ):  # fmt: skip
        assert part in text
    assert "behavior" not in text
    ElementTree.fromstring(text)


def test_svg_names_what_is_left_out():
    data = SVG.format("<use href='#a'/><image href='data:,'/><metadata/><path d='M0 0'/>")
    assert convert(data.encode()).omitted == ("image", "use")


names = st.sampled_from(["path", "g", "style", "script", "a", "use", "text", "svg", "switch"])
attributes = st.dictionaries(
    st.sampled_from(["d", "onload", "href", "style", "fill", "id", "class", "xlink:href", "src"]),
    st.text(alphabet="url(#ab)\\:@;/<'\"javscript ", max_size=20),
    max_size=3,
)
elements = st.recursive(
    st.builds(lambda n, a, t: (n, a, [t]), names, attributes, st.text(max_size=8)),
    lambda inner: st.builds(
        lambda n, a, c: (n, a, c), names, attributes, st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(tree=elements)
def test_any_svg_becomes_svg_of_allowed_parts(tree):
    def build(item):
        if isinstance(item, str):
            return "".join(c for c in item if c.isprintable())
        name, own, children = item
        element = ElementTree.Element(f"{{http://www.w3.org/2000/svg}}{name}")
        for key, value in own.items():
            element.set(key.replace("xlink:", "{http://www.w3.org/1999/xlink}"), value)
        for child in children:
            found = build(child)
            if isinstance(found, str):
                element.text = found
            else:
                element.append(found)
        return element

    root = ElementTree.fromstring(SVG.format(""))
    root.append(build(tree))
    picture = convert(ElementTree.tostring(root))
    written = ElementTree.fromstring(picture.content)
    for element in written.iter():
        assert element.tag.split("}")[1] not in {"script", "a", "use", "switch"}
        for key, value in element.attrib.items():
            assert key in {"d", "style", "fill", "id", "class", "width", "height", "viewBox",
                           "preserveAspectRatio"}  # fmt: skip
            assert "url(" not in value.lower() or "url(#" in value.replace("'", "").replace('"', "")
    assert convert(picture.content).content == picture.content  # nothing is left to remove


def test_conversion_runs_in_a_process_of_its_own(monkeypatch):
    assert plan_picture(image_file("PNG")).media_type == "image/png"
    with pytest.raises(ValidationError, match="not SVG"):
        plan_picture(b"<html/>")
    with pytest.raises(ValidationError, match="larger than 10 MB"):
        plan_picture(b"\0" * (10 * 1024 * 1024 + 1))


def test_process_that_fails_is_reported(monkeypatch):
    monkeypatch.setattr(floor_plans._converter, "_module", "tests.support.aborting_program")
    with pytest.raises(ValidationError, match="too complex or damaged"):
        plan_picture(image_file("PNG"))
