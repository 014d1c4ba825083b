"""SVG files, written anew with the elements and attributes that draw.

Anything else is left out: scripts, event handlers, links, embedded pictures and documents, and
every reference to another file. Elements that repeat others (`use`, `pattern`, `symbol`) are left
out as well, because a few of them, nested, draw millions of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from apps.organizations.protocols.plan_pictures.formats import (
    MAX_STORED_BYTES,
    MIN_SIDE_PIXELS,
    SVG,
    PlanPicture,
    PlanPictureError,
)

_SVG_NAMESPACE = "http://www.w3.org/2000/svg"
_XLINK_HREF = "http://www.w3.org/1999/xlink href"
# Points of calibration are in a space whose longer side has this length.
_SIDE_PIXELS = 2_048
_MAX_ELEMENTS = 100_000
_MAX_DEPTH = 100

_SHAPES = frozenset({"circle", "ellipse", "line", "path", "polygon", "polyline", "rect"})
_GRADIENTS = frozenset({"linearGradient", "radialGradient"})
_TEXTS = frozenset({"text", "tspan", "title", "desc", "style"})
_ELEMENTS = frozenset({"svg", "g", "defs", "clipPath", "stop"}) | _SHAPES | _GRADIENTS | _TEXTS
# Left out without a word: they draw nothing.
_SILENT = frozenset({"metadata", "namedview"})
_PROPERTIES = frozenset(
    {
        "clip-path", "clip-rule", "color", "display", "dominant-baseline", "fill", "fill-opacity",
        "fill-rule", "font", "font-family", "font-size", "font-style", "font-weight",
        "letter-spacing", "opacity", "paint-order", "shape-rendering", "stop-color",
        "stop-opacity", "stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap",
        "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor",
        "text-rendering", "vector-effect", "visibility", "writing-mode",
    }
)  # fmt: skip
_ATTRIBUTES = _PROPERTIES | {
    "class", "clipPathUnits", "cx", "cy", "d", "dx", "dy", "fr", "fx", "fy", "gradientTransform",
    "gradientUnits", "height", "id", "lengthAdjust", "offset", "pathLength", "points",
    "preserveAspectRatio", "r", "rotate", "rx", "ry", "spreadMethod", "style", "textLength",
    "transform", "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,200}")
_LOCAL_URL = re.compile(r"url\(\s*['\"]?#[A-Za-z_][A-Za-z0-9_.:-]{0,200}['\"]?\s*\)")
# An escape could spell `url`, an at-rule imports another file.
_UNSAFE_CSS = re.compile(r"[\\@<]|/\*|url|image|expression|src|javascript", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)\s*(px|mm|cm|in|pt|pc)?\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?")
_PIXELS = {
    None: 1.0, "px": 1.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "pt": 4 / 3, "pc": 16.0,
}  # fmt: skip


def convert_svg(data: bytes) -> PlanPicture:
    """Return an SVG file with allowed elements and attributes alone.

    Raises:
        PlanPictureError: The file is not SVG, has entities or no size, or is too large.
    """
    writer = _Writer()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.text
    parser.EntityDeclHandler = _reject_entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        msg = f"The file is not valid SVG (line {error.lineno}). Export it again as plain SVG."
        raise PlanPictureError(msg) from error
    return writer.picture()


def _reject_entity(*_: object) -> None:
    msg = "The SVG defines entities, which are not allowed. Export it again as plain SVG."
    raise PlanPictureError(msg)


class _Writer:
    """Writes the allowed part of a document while it is parsed."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._depth = 0
        self._elements = 0
        self._skipped_depth = 0
        self._omitted: set[str] = set()
        self._style: list[str] | None = None
        self._width = self._height = 0

    def picture(self) -> PlanPicture:
        """Return the written file."""
        content = "".join(self._parts).encode()
        return PlanPicture(SVG, self._width, self._height, content, tuple(sorted(self._omitted)))

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Write the start of an element, or begin to leave it out."""
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            msg = "The SVG has too many elements. Simplify it, or export it as PNG."
            raise PlanPictureError(msg)
        if self._skipped_depth:
            return
        namespace, _, local = name.rpartition(" ")
        if self._depth == 1:
            self._start_root(namespace, local, attributes)
            return
        if namespace != _SVG_NAMESPACE or local not in _ELEMENTS:
            self._skipped_depth = self._depth
            if namespace == _SVG_NAMESPACE and local not in _SILENT:
                self._omitted.add(local)
            return
        if local == "style":
            self._style = []
        self._write(f"<{local}{''.join(_attributes(local, attributes))}>")

    def _start_root(self, namespace: str, local: str, attributes: dict[str, str]) -> None:
        if local != "svg" or namespace != _SVG_NAMESPACE:
            msg = "The file is not SVG. Upload a PNG, JPEG, SVG or PDF file."
            raise PlanPictureError(msg)
        box = _view_box(attributes)
        scale = _SIDE_PIXELS / max(box[2:])
        self._width, self._height = (round(side * scale) for side in box[2:])
        if min(self._width, self._height) < MIN_SIDE_PIXELS:
            msg = "The drawing is too narrow. Check its page size, and export it again."
            raise PlanPictureError(msg)
        own = {
            key: value
            for key, value in attributes.items()
            if key not in {"width", "height", "viewBox", "preserveAspectRatio", "x", "y"}
        }
        numbers = " ".join(f"{number:.10g}" for number in box)
        self._write(
            f'<svg xmlns="{_SVG_NAMESPACE}" width="{self._width}" height="{self._height}"'
            f' viewBox="{numbers}" preserveAspectRatio="none"{"".join(_attributes("svg", own))}>'
        )

    def end(self, name: str) -> None:
        """Write the end of an element, unless it is left out."""
        if self._skipped_depth:
            if self._skipped_depth == self._depth:
                self._skipped_depth = 0
        else:
            local = name.rpartition(" ")[2]
            if local == "style" and self._style is not None:
                self._write(escape(_safe_css("".join(self._style))))
                self._style = None
            self._write(f"</{local}>")
        self._depth -= 1

    def text(self, text: str) -> None:
        """Write text."""
        if self._skipped_depth:
            return
        if self._style is not None:
            self._style.append(text)
        else:
            self._write(escape(text))

    def _write(self, part: str) -> None:
        self._parts.append(part)
        self._size += len(part.encode())
        if self._size > MAX_STORED_BYTES:
            msg = f"The SVG is larger than {MAX_STORED_BYTES // 1024**2} MB. Export it as PNG."
            raise PlanPictureError(msg)


def _attributes(element: str, attributes: dict[str, str]) -> Iterator[str]:
    """Yield the allowed attributes of an element, with a space before each."""
    for name, value in attributes.items():
        if name in {"href", _XLINK_HREF}:
            # A gradient inherits the stops of another one in the same file.
            if element in _GRADIENTS and value.startswith("#") and _ID.fullmatch(value[1:]):
                yield f" href={quoteattr(value)}"
        elif name == "id":
            if _ID.fullmatch(value):
                yield f" id={quoteattr(value)}"
        elif name == "style":
            if style := _safe_declarations(value):
                yield f" style={quoteattr(style)}"
        elif name in _ATTRIBUTES and not _UNSAFE_CSS.search(_LOCAL_URL.sub("", value)):
            yield f" {name}={quoteattr(value)}"


def _safe_declarations(text: str) -> str:
    """Return the allowed declarations of a `style` attribute."""
    kept = []
    for declaration in text.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name in _PROPERTIES and not _UNSAFE_CSS.search(_LOCAL_URL.sub("", value)):
            kept.append(f"{name}:{value}")
    return ";".join(kept)


def _safe_css(text: str) -> str:
    """Return a style sheet with plain selectors and allowed declarations."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    rules = []
    for rule in text.split("}"):
        selector, separator, body = rule.partition("{")
        is_plain = re.fullmatch(r"[\w\s.#,>*:-]+", selector) is not None
        if separator and is_plain and (kept := _safe_declarations(body)):
            rules.append(f"{selector.strip()}{{{kept}}}")
    return "\n".join(rules)


def _view_box(attributes: dict[str, str]) -> tuple[float, float, float, float]:
    """Return x, y, width and height of the drawing.

    Raises:
        PlanPictureError: The drawing has no size.
    """
    numbers = [float(text) for text in _NUMBER.findall(attributes.get("viewBox", ""))]
    if len(numbers) == 4 and all(1e-6 < side < 1e9 for side in numbers[2:]):
        return (numbers[0], numbers[1], numbers[2], numbers[3])
    sides = []
    for name in ("width", "height"):
        found = _LENGTH.fullmatch(attributes.get(name, ""))
        side = float(found[1]) * _PIXELS[found[2]] if found else 0.0
        if not 1e-6 < side < 1e9:
            msg = "The SVG has no size: neither a viewBox, nor width and height. Export it again."
            raise PlanPictureError(msg)
        sides.append(side)
    return (0.0, 0.0, sides[0], sides[1])
