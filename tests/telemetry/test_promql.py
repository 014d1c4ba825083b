from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.telemetry.exceptions import QuerySyntaxError, UnsupportedExpressionError
from apps.telemetry.protocols.prometheus.promql import (
    MAX_QUERY_LENGTH,
    parse_query,
    parse_selector,
)
from apps.telemetry.selectors.prometheus.expressions import (
    FUNCTIONS,
    FunctionCall,
    Matcher,
    Scalar,
    Selector,
)


def name(text):
    return Matcher("__name__", "=", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up", Selector((name("up"),))),
        ("a:b_1{}", Selector((name("a:b_1"),))),
        ('{__name__="up"}', Selector((name("up"),))),
        (
            '{"dotted.name", robot!="x",}',
            Selector((name("dotted.name"), Matcher("robot", "!=", "x"))),
        ),
        (
            'up{robot=~"a|b",unit!~`c.*`}[1h30m] offset -5m',
            Selector(
                (
                    name("up"),
                    Matcher("robot", "=~", "^(?:a|b)$"),
                    Matcher("unit", "!~", "^(?:c.*)$"),
                ),
                5_400_000,
                -300_000,
            ),
        ),
        (
            "up{\"robot\"='it\\'s\\u00e9\\n'}",
            Selector((name("up"), Matcher("robot", "=", "it's\u00e9\n"))),
        ),
        ('up{a=~"(?i)x"}', Selector((name("up"), Matcher("a", "=~", "(?i)^(?:x)$")))),
        ("up[90]", Selector((name("up"),), 90_000)),
        ("(up) # a comment", Selector((name("up"),))),
        ("rate(up[5m])", FunctionCall("rate", Selector((name("up"),), 300_000))),
        (
            "((avg_over_time((up[5m]))))",
            FunctionCall("avg_over_time", Selector((name("up"),), 300_000)),
        ),
        ("inf", Scalar(math.inf)),
        ("1+1", Scalar(2.0)),
        ("2 + 3 * -2 ^ 2 ^ 0.5 - 0x10 % 7", Scalar(2 + 3 * -(2 ** (2**0.5)) - 16 % 7)),
        ("1 / 0", Scalar(math.inf)),
        ("-1 / 0", Scalar(-math.inf)),
        ("10 ^ 400", Scalar(math.inf)),
        ("0x" + "f" * 400, Scalar(math.inf)),
    ],
)
def test_query_is_parsed(text, expected):
    assert parse_query(text) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sum(up)", "The function sum"),
        ("sum by (robot) (up)", "The function sum"),
        ("histogram_quantile(0.9, up)", "The function histogram_quantile"),
        ("foo(1)", "The function foo"),
        ("up + 1", "The operator +"),
        ("-up", "The operator -"),
        ("up and up", "The operator and"),
        ("up > 3", "The operator >"),
        ("up @ 5", "The modifier @"),
        ("rate(up[5m:1m])", "A subquery"),
        ("rate(rate(up[5m]))", "rate of another expression"),
        ('"text"', "Text as an expression"),
        (r'up{a=~"(a)\\1"}', r"\1 in a regular expression"),
        ('up{a=~"(?=a)"}', "(? in a regular expression"),
        (r'up{a=~"\\bx"}', r"\b in a regular expression"),
    ],
)
def test_unsupported_part_is_named(text, what):
    with pytest.raises(UnsupportedExpressionError) as raised:
        parse_query(text)
    assert raised.value.message.startswith(f"{what}")
    assert all(function in raised.value.message for function in FUNCTIONS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "up{",
        "up{a}",
        'up{a="b"',
        "up{a=b}",
        "up[5m",
        "up[]",
        "up[0s]",
        "up[500d]",
        "{}",
        "()",
        "1 +",
        "up up",
        "up{a=='b'}",
        "rate(up)",
        "rate(up[5m]",
        "rate()",
        "up offset",
        "\x00",
        "ä",
        'up{a="\\q"}',
        'up{a="\\x00"}',
        'up{a="\\ud800"}',
        'up{a="\\U00110000"}',
        "up[" + "9" * 400 + "y]",
        "(" * 5_000 + "up" + ")" * 5_000,
        "-" * 9_000 + "1",
        "1" + "^1" * 4_000,
        "x" * (MAX_QUERY_LENGTH + 1),
    ],
)
def test_invalid_query_is_rejected(text):
    with pytest.raises(QuerySyntaxError) as raised:
        parse_query(text)
    assert len(raised.value.message) < 200


def test_search_needs_selector_without_range():
    assert parse_selector("up") == Selector((name("up"),))
    for text in ("up[5m]", "up offset 5m", "1", "rate(up[5m])"):
        with pytest.raises(QuerySyntaxError):
            parse_selector(text)


TOKENS = st.sampled_from(
    [
        "up",
        "rate",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        "5m",
        "1",
        ".5",
        "=",
        "=~",
        '"a"',
        "'(?i)b'",
        ",",
        "+",
        "-",
        "^",
        "offset",
        "@",
        "by",
        "inf",
        "a",
        "==",
        "and",
        " ",
        ":",
        "avg_over_time",
        "\\",
        "`",
        "#",
        "\n",
    ]
)


@given(st.lists(TOKENS, max_size=30).map(" ".join) | st.lists(TOKENS, max_size=30).map("".join))
@example("rate(up{a=~'(?i)b'}[5m] offset -5m)")
def test_any_text_is_parsed_or_rejected(text):
    try:
        assert isinstance(parse_query(text), Selector | FunctionCall | Scalar)
    except (QuerySyntaxError, UnsupportedExpressionError) as error:
        assert error.message


NUMBERS = st.floats(0, 1e6).map(lambda value: float(f"{value:.6g}"))


@given(
    st.recursive(
        NUMBERS.map(lambda value: (f"{value:.6g}", value)),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
            lambda parts: (
                f"({parts[0][0]} {parts[1]} {parts[2][0]})",
                {
                    "+": parts[0][1] + parts[2][1],
                    "-": parts[0][1] - parts[2][1],
                    "*": parts[0][1] * parts[2][1],
                }[parts[1]],
            )
        ),
        max_leaves=8,
    )
)
def test_arithmetic_equals_pythons(expression):
    text, value = expression
    assert parse_query(text) == Scalar(value)
