"""Parse the part of PromQL that can be evaluated.

Selectors with matchers, range and offset; one function of them; arithmetic of numbers, which
clients use to test a connection. A parser of our own: what is not supported is named, and a deeply
nested query ends in an error, where the parsers of full PromQL recurse.
"""

from __future__ import annotations

import math
import re

from apps.telemetry.exceptions import QuerySyntaxError, UnsupportedExpressionError
from apps.telemetry.protocols.prometheus.lexer import Token, duration_ms, tokenize, unquote
from apps.telemetry.selectors.prometheus.expressions import (
    FUNCTIONS,
    NAME_LABEL,
    Expression,
    FunctionCall,
    Matcher,
    Scalar,
    Selector,
)

MAX_QUERY_LENGTH = 10_000
# A year is the maximum retention; longer durations are typos.
_MAX_DURATION_MS = 400 * 86_400_000
_MAX_DEPTH = 50
_PRECEDENCE = {
    "or": 1, "and": 2, "unless": 2,
    "==": 3, "!=": 3, ">": 3, "<": 3, ">=": 3, "<=": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6,
}  # fmt: skip
_UNARY_PRECEDENCE = 6
_MATCH_OPERATORS = frozenset({"=", "!=", "=~", "!~"})
_NUMBERS = {"inf": math.inf, "nan": math.nan}
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# The common part of the syntax of RE2 and of PostgreSQL; escapes that they read differently, groups
# other than (?:...) and references back are left out.
_PATTERN_FLAGS = re.compile(r"\(\?([is]+)\)")
_PATTERN_PART = re.compile(
    r"(?P<unsupported>\\[abce-mo-qu-zA-CE-RT-VX-Z0-9]|\(\?(?!:))|\\.|[^\\]", re.DOTALL
)


def parse_query(text: str) -> Expression:
    """Parse a query.

    Raises:
        QuerySyntaxError: The text is not PromQL.
        UnsupportedExpressionError: The text uses a function or an operator that is not supported.
    """
    parser = _parser(text)
    expression = parser.expression(0)
    parser.expect_end()
    return expression


def parse_selector(text: str) -> Selector:
    """Parse a selector without a range, as in the parameter `match[]`.

    Raises:
        QuerySyntaxError: The text is not such a selector.
        UnsupportedExpressionError: The text uses a function or an operator that is not supported.
    """
    found = parse_query(text)
    if not isinstance(found, Selector) or found.range_ms is not None or found.offset_ms:
        msg = "Enter a selector of series, without range and offset."
        raise QuerySyntaxError(msg)
    return found


def _parser(text: str) -> _Parser:
    if len(text) > MAX_QUERY_LENGTH:
        msg = f"A query has at most {MAX_QUERY_LENGTH:,} characters."
        raise QuerySyntaxError(msg)
    return _Parser(tokenize(text))


class _Parser:
    """A recursive descent over the tokens of a query."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _advance(self) -> Token:
        token = self._next
        self._index += token.kind != "end"
        return token

    def _take(self, *texts: str) -> Token | None:
        is_text = self._next.kind in {"symbol", "name"} and self._next.text in texts
        return self._advance() if is_text else None

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            msg = f"expected {text}"
            raise self._unexpected(msg)

    def _unexpected(self, expected: str = "") -> QuerySyntaxError:
        token = self._next
        what = f"Unexpected {token.text[:40]!a}" if token.text else "Unexpected end of the query"
        suffix = f": {expected}" if expected else ""
        return QuerySyntaxError(f"{what} at position {token.position + 1}{suffix}.")

    def expect_end(self) -> None:
        """Reject further tokens."""
        if self._next.kind != "end":
            raise self._unexpected()

    def expression(self, min_precedence: int) -> Expression:
        """Parse operands and operators of at least this precedence."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            msg = f"A query is nested at most {_MAX_DEPTH} levels deep."
            raise QuerySyntaxError(msg)
        left = self._operand()
        while (precedence := _PRECEDENCE.get(self._next.text, -1)) >= min_precedence:
            operator = self._advance().text
            is_from_right = operator == "^"
            right = self.expression(precedence + (not is_from_right))
            left = _combine(operator, left, right)
        self._depth -= 1
        return left

    def _operand(self) -> Expression:
        token = self._next
        if sign := self._take("+", "-"):
            inner = self.expression(_UNARY_PRECEDENCE)
            return _combine(sign.text, Scalar(0.0), inner) if sign.text == "-" else inner
        if self._take("("):
            inner = self.expression(0)
            self._expect(")")
            return inner
        if token.kind == "number":
            return Scalar(_number(self._advance().text))
        if token.kind == "string":
            msg = "Text as an expression"
            raise UnsupportedExpressionError.of(msg)
        if token.kind == "name":
            return self._named()
        if token.text == "{":
            return self._selector(())
        raise self._unexpected()

    def _named(self) -> Expression:
        name = self._advance().text
        if self._next.text == "(" or self._take("by", "without"):
            return self._call(name)
        if name.lower() in _NUMBERS and self._next.text not in {"{", "["}:
            return Scalar(_NUMBERS[name.lower()])
        return self._selector((Matcher(NAME_LABEL, "=", name),))

    def _call(self, name: str) -> FunctionCall:
        if name not in FUNCTIONS:
            msg = f"The function {name}"
            raise UnsupportedExpressionError.of(msg)
        self._expect("(")
        argument = self.expression(0)
        self._expect(")")
        if not isinstance(argument, Selector):
            msg = f"{name} of another expression than a selector"
            raise UnsupportedExpressionError.of(msg)
        if argument.range_ms is None:
            msg = f"{name} needs a selector with a range, such as {name}(metric[5m])."
            raise QuerySyntaxError(msg)
        return FunctionCall(name, argument)

    def _selector(self, matchers: tuple[Matcher, ...]) -> Selector:
        if self._take("{"):
            matchers += self._matchers()
        if not matchers:
            msg = "A selector needs a metric's name or a matcher of labels."
            raise QuerySyntaxError(msg)
        range_ms = self._range() if self._take("[") else None
        offset_ms = 0
        if self._take("offset"):
            sign = -1 if self._take("-") else 1
            offset_ms = sign * self._duration()
        if self._take("@"):
            msg_0 = "The modifier @"
            raise UnsupportedExpressionError.of(msg_0)
        return Selector(matchers, range_ms, offset_ms)

    def _matchers(self) -> tuple[Matcher, ...]:
        found = []
        while not self._take("}"):
            found.append(self._matcher())
            if not self._take(","):
                self._expect("}")
                break
        return tuple(found)

    def _matcher(self) -> Matcher:
        token = self._advance()
        if token.kind == "string":
            label = unquote(token.text)
            if self._next.text in {",", "}"}:
                return Matcher(NAME_LABEL, "=", label)
        elif token.kind in {"name", "duration"} and _LABEL_NAME.fullmatch(token.text):
            label = token.text
        else:
            self._index -= token.kind != "end"
            msg = "expected the name of a label"
            raise self._unexpected(msg)
        if self._next.text not in _MATCH_OPERATORS:
            msg = "expected =, !=, =~ or !~"
            raise self._unexpected(msg)
        operator = self._advance().text
        if self._next.kind != "string":
            msg = "expected a string"
            raise self._unexpected(msg)
        value = unquote(self._advance().text)
        return Matcher(label, operator, _pattern(value) if operator.endswith("~") else value)

    def _range(self) -> int:
        found = self._duration()
        if self._next.text.startswith(":"):
            msg = "A subquery"
            raise UnsupportedExpressionError.of(msg)
        self._expect("]")
        if not found:
            msg = "A range must be longer than 0."
            raise QuerySyntaxError(msg)
        return found

    def _duration(self) -> int:
        """Parse a duration such as `5m`, or a number of seconds."""
        token = self._next
        if token.kind not in {"duration", "number"}:
            msg = "expected a duration such as 5m"
            raise self._unexpected(msg)
        self._advance()
        is_number = token.kind == "number"
        found = _number(token.text) * 1000 if is_number else duration_ms(token.text)
        if not found <= _MAX_DURATION_MS:
            msg = f"The duration {token.text[:40]} is longer than 400 days."
            raise QuerySyntaxError(msg)
        return round(found)


def _number(text: str) -> float:
    """Return a number, infinite if it is too large."""
    try:
        return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except OverflowError:
        return math.inf


def _pattern(pattern: str) -> str:
    """Return a regular expression for PostgreSQL that matches whole values."""
    flags = ""
    if match := _PATTERN_FLAGS.match(pattern):
        pattern = pattern[match.end() :]
        flags = "(?i)" if "i" in match[1] else ""
    for part in _PATTERN_PART.finditer(pattern):
        if part["unsupported"]:
            msg = f"{part[0]} in a regular expression"
            raise UnsupportedExpressionError.of(msg)
    return f"{flags}^(?:{pattern})$"


def _combine(operator: str, left: Expression, right: Expression) -> Scalar:
    if not (isinstance(left, Scalar) and isinstance(right, Scalar)) or operator not in "+-*/%^":
        msg = f"The operator {operator}"
        raise UnsupportedExpressionError.of(msg)
    return Scalar(_calculate(operator, left.value, right.value))


def _calculate(operator: str, left: float, right: float) -> float:
    """Return the result of IEEE arithmetic, in which nothing is an error."""
    try:
        if operator == "^":
            return math.pow(left, right)
        if operator == "/":
            return left / right
        if operator == "%":
            return math.fmod(left, right)
    except OverflowError:
        return math.inf
    except (ZeroDivisionError, ValueError):
        is_infinite = operator == "/" and left and not math.isnan(left)
        return (
            math.copysign(math.inf, left) * math.copysign(1.0, right) if is_infinite else math.nan
        )
    return {"+": left + right, "-": left - right, "*": left * right}[operator]
