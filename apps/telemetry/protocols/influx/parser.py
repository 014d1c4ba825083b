"""Parse InfluxDB line protocol, compatible with InfluxDB's own decoder.

An invalid line is reported on its own; parsing resumes at the next line. The reference is the
public test corpus of InfluxDB's decoder: white space is a space, control characters are only
allowed in strings, names are UTF-8, and every tag has a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Nanoseconds per unit of a timestamp.
PRECISIONS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}

# Far beyond real lines; they bound the cost of one line.
MAX_TAGS_PER_LINE = 1_000
MAX_FIELDS_PER_LINE = 10_000
_MAX_QUOTED_LENGTH = 40  # characters of input that a message quotes

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_BOOLEANS = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), True),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), False),
}
_ESCAPED_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

# Possessive, so that a body of escapes or empty lines needs no memory for backtracking.
_BLANK_LINES = re.compile(
    rb"(?: *(?:#[^\x00-\x1f\x7f]*)?\r?\n)*+(?: *(?:#[^\x00-\x1f\x7f]*)?\r?\Z)? *"
)
_MEASUREMENT = re.compile(rb"(?:[^\\, \x00-\x1f\x7f]++|\\[, ]?)*+")
_KEY = re.compile(rb"(?:[^\\,= \x00-\x1f\x7f]++|\\[,= ]?)*+")
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_UNQUOTED = re.compile(rb"[^, \r\n]*")
_TIME = re.compile(rb"[-0-9]*")
_SPACES = re.compile(rb" *")
_LINE_END = re.compile(rb"\r?(?:\n|\Z)")
_ESCAPED_IN_MEASUREMENT = re.compile(rb"\\([, ])")
_ESCAPED_IN_KEY = re.compile(rb"\\([,= ])")
_ESCAPED_IN_STRING = re.compile(rb'\\(["\\nrt])')
_FLOAT = re.compile(rb"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(rb"(-?\d+)i")
_UNSIGNED = re.compile(rb"(\d+)u")


class Unsigned(int):
    """An integer with the suffix `u`."""


Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A parsed line.

    Tags are sorted by key; the time is in nanoseconds, or None for now.
    """

    number: int
    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, Value], ...]
    time: int | None


@dataclass(frozen=True, slots=True)
class LineError:
    """A line that is not valid line protocol, and why."""

    number: int
    detail: str


class _ParseError(Exception):
    """The current line is invalid; its rest is skipped."""


def parse_lines(body: bytes, *, unit: int = 1) -> Iterator[ParsedLine | LineError]:
    """Yield the parsed lines and errors of a body, in order.

    Empty lines and comments are skipped.

    Args:
        body: Line protocol as it was received.
        unit: Nanoseconds per unit of a timestamp, from `PRECISIONS`.
    """
    return _Parser(body, unit).entries()


class _Parser:
    """A position in a body, from which each method reads on."""

    def __init__(self, body: bytes, unit: int) -> None:
        self.body = body
        self.unit = unit
        self.at = 0
        self.number = 1

    def entries(self) -> Iterator[ParsedLine | LineError]:
        """Yield the remaining lines and errors."""
        while self._find_entry():
            number = self.number
            try:
                entry = self._entry(number)
            except _ParseError as error:
                self._skip_line()
                yield LineError(number, str(error))
            else:
                yield entry

    def _find_entry(self) -> bool:
        self._read(_BLANK_LINES)
        return self.at < len(self.body)

    def _skip_line(self) -> None:
        end = self.body.find(b"\n", self.at)
        self.number += end >= 0
        self.at = end + 1 if end >= 0 else len(self.body)

    def _read(self, pattern: re.Pattern[bytes]) -> bytes:
        """Read what a pattern, which may match nothing, matches here."""
        start = self.at
        found = pattern.match(self.body, start)
        self.at = found.end() if found else start
        text = self.body[start : self.at]
        self.number += text.count(b"\n")
        return text

    def _peek(self) -> bytes:
        return self.body[self.at : self.at + 1]

    def _entry(self, number: int) -> ParsedLine:
        if self._peek() == b"#":
            msg = "a comment contains a control character"
            raise _ParseError(msg)
        measurement = self._name(_MEASUREMENT, _ESCAPED_IN_MEASUREMENT, "measurement")
        tags = self._tags()
        fields = self._fields()
        time = self._time()
        self._read(_LINE_END)
        return ParsedLine(number, measurement, tags, fields, time)

    def _name(self, chars: re.Pattern[bytes], escaped: re.Pattern[bytes], what: str) -> str:
        name = self._read(chars)
        if not name:
            msg = f"expected a {what}, found {self._found()}"
            raise _ParseError(msg)
        return _decode_text(escaped.sub(rb"\1", name) if b"\\" in name else name, what)

    def _found(self) -> str:
        return ascii(self._peek().decode("latin-1")) if self._peek() else "the end"

    def _expect(self, char: bytes, where: str) -> None:
        if self._peek() != char:
            msg = f"expected {char.decode()!a} {where}, found {self._found()}"
            raise _ParseError(msg)
        self.at += 1

    def _tags(self) -> tuple[tuple[str, str], ...]:
        tags: dict[str, str] = {}
        while self._peek() == b",":
            self.at += 1
            key = self._name(_KEY, _ESCAPED_IN_KEY, "tag key")
            self._expect(b"=", "after a tag key")
            if key in tags or len(tags) == MAX_TAGS_PER_LINE:
                name = f"{key[:_MAX_QUOTED_LENGTH]!a}"
                msg = f"the tag key {name} is repeated, or follows {MAX_TAGS_PER_LINE} others"
                raise _ParseError(msg)
            tags[key] = self._name(_KEY, _ESCAPED_IN_KEY, "tag value")
        self._expect(b" ", "before the fields")
        self._read(_SPACES)
        return tuple(sorted(tags.items()))

    def _fields(self) -> tuple[tuple[str, Value], ...]:
        fields: list[tuple[str, Value]] = []
        while len(fields) < MAX_FIELDS_PER_LINE:
            key = self._name(_KEY, _ESCAPED_IN_KEY, "field key")
            self._expect(b"=", "after a field key")
            fields.append((key, self._value()))
            if self._peek() != b",":
                return tuple(fields)
            self.at += 1
        msg = f"the line has more than {MAX_FIELDS_PER_LINE} fields"
        raise _ParseError(msg)

    def _value(self) -> Value:
        if self._peek() != b'"':
            return _parse_unquoted(self._read(_UNQUOTED))
        found = _STRING.match(self.body, self.at)
        if found is None:
            # The rest may be inside the string or not, so none of it is parsed.
            self.at = len(self.body)
            msg = "a string is not terminated"
            raise _ParseError(msg)
        self._read(_STRING)
        text = _ESCAPED_IN_STRING.sub(lambda m: _ESCAPED_LETTERS.get(m[1], m[1]), found[1])
        return _decode_text(text, "string")

    def _time(self) -> int | None:
        """Read up to the end of the line, exclusive."""
        if self._peek() not in {b" ", b"\r", b"\n", b""}:
            msg = f"unexpected {self._found()} after a field"
            raise _ParseError(msg)
        self._read(_SPACES)
        digits = self._read(_TIME)
        self._read(_SPACES)
        if _LINE_END.match(self.body, self.at) is None:
            msg = f"expected the time or the end of the line, found {self._found()}"
            raise _ParseError(msg)
        if not digits:
            return None
        time = _parse_integer(digits, _INT64, "time") * self.unit
        if time not in _INT64:
            msg = "the time is out of range"
            raise _ParseError(msg)
        return time


def _decode_text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        msg = f"a {what} is not UTF-8"
        raise _ParseError(msg) from error


def _parse_unquoted(text: bytes) -> Value:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            msg = "a number is out of range"
            raise _ParseError(msg)
        return value
    if found := _INTEGER.fullmatch(text):
        return _parse_integer(found[1], _INT64, "integer")
    if found := _UNSIGNED.fullmatch(text):
        return Unsigned(_parse_integer(found[1], _UINT64, "integer"))
    msg = f"{text[:_MAX_QUOTED_LENGTH].decode('latin-1')!a} is not a value"
    raise _ParseError(msg)


def _parse_integer(digits: bytes, allowed: range, what: str) -> int:
    try:
        value = int(digits)
    except ValueError as error:  # such as 1-2, or thousands of digits
        msg = f"the {what} is not a whole number"
        raise _ParseError(msg) from error
    if value not in allowed:
        msg = f"the {what} is out of range"
        raise _ParseError(msg)
    return value
