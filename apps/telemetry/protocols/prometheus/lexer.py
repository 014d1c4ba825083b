"""Split PromQL into tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

from apps.telemetry.exceptions import QuerySyntaxError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<duration>(?:[0-9]{1,15}(?:ms|[smhdwy]))+(?![a-zA-Z0-9_.]))
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<symbol>=~|!~|==|!=|>=|<=|[-+*/%^<>=(){}\[\],@])
    """,
    re.VERBOSE,
)
_DURATION_PART = re.compile(r"([0-9]+)(ms|[smhdwy])")
_UNIT_MS = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.?))",
    re.DOTALL,
)
_SIMPLE_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"',
}  # fmt: skip


class Token(NamedTuple):
    """A part of the text; the kind is a group or `end`."""

    kind: str
    text: str
    position: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a query, and an end.

    Raises:
        QuerySyntaxError: A character does not begin a token.
    """
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            msg = f"Unexpected character {text[position]!a} at position {position + 1}."
            raise QuerySyntaxError(msg)
        if match.lastgroup != "space":
            tokens.append(Token(match.lastgroup, match[0], position))
        position = match.end()
    return [*tokens, Token("end", "", position)]


def unquote(text: str) -> str:
    """Return the value of a string token.

    Raises:
        QuerySyntaxError: An escape is invalid, or the value cannot be stored in PostgreSQL.
    """
    value = text[1:-1] if text[0] == "`" else _ESCAPE.sub(_unescape, text[1:-1])
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        msg = "A string contains a character that no label has."
        raise QuerySyntaxError(msg)
    return value


def _unescape(match: re.Match[str]) -> str:
    simple, *codes, octal, invalid = match.groups()
    if simple:
        return _SIMPLE_ESCAPES[simple]
    if invalid is not None:
        msg = f"Unknown escape {match[0]!a} in a string."
        raise QuerySyntaxError(msg)
    code = int(octal, 8) if octal else int(next(filter(None, codes)), 16)
    try:
        return chr(code)
    except (ValueError, OverflowError) as error:
        msg = f"Unknown escape {match[0]!a} in a string."
        raise QuerySyntaxError(msg) from error


def duration_ms(text: str) -> int:
    """Return a duration such as `1h30m` in milliseconds."""
    return sum(int(count) * _UNIT_MS[unit] for count, unit in _DURATION_PART.findall(text))
