"""InfluxDB's line protocol, decoded as its authors' own decoder does it.

A line that does not fit is reported alone; the next one is read again from its start. What
decides here is the behaviour that the authors' public corpus of cases writes down: white space is
a space, control characters stand nowhere but in strings, a name is UTF-8, a tag has a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

# Nanoseconds of each unit that a timestamp may be counted in.
UNITS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}

# No sender comes near these; they bound what one line may cost.
MAX_TAGS, MAX_FIELDS = 1_000, 10_000
_SHOWN = 40  # characters of what is quoted in a message

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_BOOLEANS = {
    **dict.fromkeys((b"t", b"T", b"true", b"True", b"TRUE"), True),
    **dict.fromkeys((b"f", b"F", b"false", b"False", b"FALSE"), False),
}
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}

# Possessive, so that a body of escapes or empty lines needs no memory to step back in.
_BLANK = re.compile(rb"(?: *(?:#[^\x00-\x1f\x7f]*)?\r?\n)*+(?: *(?:#[^\x00-\x1f\x7f]*)?\r?\Z)? *")
_MEASUREMENT = re.compile(rb"(?:[^\\, \x00-\x1f\x7f]++|\\[, ]?)*+")
_KEY = re.compile(rb"(?:[^\\,= \x00-\x1f\x7f]++|\\[,= ]?)*+")
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_PLAIN = re.compile(rb"[^, \r\n]*")
_TIME = re.compile(rb"[-0-9]*")
_SPACES = re.compile(rb" *")
_END = re.compile(rb"\r?(?:\n|\Z)")
_ESCAPED_IN_MEASUREMENT = re.compile(rb"\\([, ])")
_ESCAPED_IN_KEY = re.compile(rb"\\([,= ])")
_ESCAPED_IN_STRING = re.compile(rb'\\(["\\nrt])')
_FLOAT = re.compile(rb"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INTEGER = re.compile(rb"(-?\d+)i")
_UNSIGNED = re.compile(rb"(\d+)u")


class Unsigned(int):
    """An integer that was written with a `u`."""


Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Line:
    """A decoded line: tags sorted by their keys, time in nanoseconds or None for now."""

    number: int
    measurement: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, Value], ...]
    time: int | None


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that is no line protocol, and why."""

    number: int
    detail: str


class _FaultError(Exception):
    """The line at hand does not fit; its rest is left unread."""


def decode_lines(body: bytes, *, unit: int = 1) -> Iterator[Line | LineFault]:
    """Yield what each entry of a body says, in its order; empty lines and comments say nothing.

    Args:
        body: The text as it came.
        unit: Nanoseconds of one step of a timestamp, from `UNITS`.
    """
    return _Decoder(body, unit).entries()


class _Decoder:
    """A place in a body, from where each method reads on."""

    def __init__(self, body: bytes, unit: int) -> None:
        self.body = body
        self.unit = unit
        self.at = 0
        self.number = 1

    def entries(self) -> Iterator[Line | LineFault]:
        """Read to the end."""
        while self._find_entry():
            number = self.number
            try:
                entry = self._entry(number)
            except _FaultError as fault:
                self._skip_line()
                yield LineFault(number, str(fault))
            else:
                yield entry

    def _find_entry(self) -> bool:
        self._take(_BLANK)
        return self.at < len(self.body)

    def _skip_line(self) -> None:
        end = self.body.find(b"\n", self.at)
        self.number += end >= 0
        self.at = end + 1 if end >= 0 else len(self.body)

    def _take(self, pattern: re.Pattern[bytes]) -> bytes:
        """Read what a pattern that fits everywhere finds here."""
        start = self.at
        found = pattern.match(self.body, start)
        self.at = found.end() if found else start
        taken = self.body[start : self.at]
        self.number += taken.count(b"\n")
        return taken

    def _next(self) -> bytes:
        return self.body[self.at : self.at + 1]

    def _entry(self, number: int) -> Line:
        if self._next() == b"#":
            msg = "a comment holds a control character"
            raise _FaultError(msg)
        measurement = self._name(_MEASUREMENT, _ESCAPED_IN_MEASUREMENT, "measurement")
        tags = self._tags()
        fields = self._fields()
        time = self._time()
        self._take(_END)
        return Line(number, measurement, tags, fields, time)

    def _name(self, chars: re.Pattern[bytes], escaped: re.Pattern[bytes], what: str) -> str:
        taken = self._take(chars)
        if not taken:
            msg = f"a {what} was expected, {self._found()} found"
            raise _FaultError(msg)
        return _text(escaped.sub(rb"\1", taken) if b"\\" in taken else taken, what)

    def _found(self) -> str:
        return ascii(self._next().decode("latin-1")) if self._next() else "the end"

    def _expect(self, char: bytes, where: str) -> None:
        if self._next() != char:
            msg = f"{char.decode()!a} was expected {where}, {self._found()} found"
            raise _FaultError(msg)
        self.at += 1

    def _tags(self) -> tuple[tuple[str, str], ...]:
        tags: dict[str, str] = {}
        while self._next() == b",":
            self.at += 1
            key = self._name(_KEY, _ESCAPED_IN_KEY, "tag key")
            self._expect(b"=", "after a tag key")
            if key in tags or len(tags) == MAX_TAGS:
                msg = f"the tag key {key[:_SHOWN]!a} comes twice, or after {MAX_TAGS} others"
                raise _FaultError(msg)
            tags[key] = self._name(_KEY, _ESCAPED_IN_KEY, "tag value")
        self._expect(b" ", "before the fields")
        self._take(_SPACES)
        return tuple(sorted(tags.items()))

    def _fields(self) -> tuple[tuple[str, Value], ...]:
        fields: list[tuple[str, Value]] = []
        while len(fields) < MAX_FIELDS:
            key = self._name(_KEY, _ESCAPED_IN_KEY, "field key")
            self._expect(b"=", "after a field key")
            fields.append((key, self._value()))
            if self._next() != b",":
                return tuple(fields)
            self.at += 1
        msg = f"there are more than {MAX_FIELDS} fields"
        raise _FaultError(msg)

    def _value(self) -> Value:
        if self._next() != b'"':
            return _plain_value(self._take(_PLAIN))
        found = _STRING.match(self.body, self.at)
        if found is None:
            # What follows may be inside the string or not, so nothing of it can be trusted.
            self.at = len(self.body)
            msg = "a string does not end"
            raise _FaultError(msg)
        self._take(_STRING)
        text = _ESCAPED_IN_STRING.sub(lambda m: _LETTERS.get(m[1], m[1]), found[1])
        return _text(text, "string")

    def _time(self) -> int | None:
        """Read up to the end of the line, which is left for the caller to take."""
        if self._next() not in {b" ", b"\r", b"\n", b""}:
            msg = f"{self._found()} found after a field"
            raise _FaultError(msg)
        self._take(_SPACES)
        digits = self._take(_TIME)
        self._take(_SPACES)
        if _END.match(self.body, self.at) is None:
            msg = f"{self._found()} found where the time or the end of the line was expected"
            raise _FaultError(msg)
        if not digits:
            return None
        time = _integer(digits, _INT64, "time") * self.unit
        if time not in _INT64:
            msg = "the time is out of range"
            raise _FaultError(msg)
        return time


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        msg = f"a {what} is not UTF-8"
        raise _FaultError(msg) from error


def _plain_value(text: bytes) -> Value:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            msg = "a number is out of range"
            raise _FaultError(msg)
        return value
    if found := _INTEGER.fullmatch(text):
        return _integer(found[1], _INT64, "integer")
    if found := _UNSIGNED.fullmatch(text):
        return Unsigned(_integer(found[1], _UINT64, "integer"))
    msg = f"{text[:_SHOWN].decode('latin-1')!a} is no value"
    raise _FaultError(msg)


def _integer(digits: bytes, allowed: range, what: str) -> int:
    try:
        value = int(digits)
    except ValueError as error:  # such as 1-2, or thousands of digits
        msg = f"the {what} is not a whole number"
        raise _FaultError(msg) from error
    if value not in allowed:
        msg = f"the {what} is out of range"
        raise _FaultError(msg)
    return value
