from __future__ import annotations

import base64
import gzip
import json
import math
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.telemetry.exceptions import TooManyPointsError
from apps.telemetry.protocols.influx.parser import (
    PRECISIONS,
    LineError,
    ParsedLine,
    Unsigned,
    parse_lines,
)
from apps.telemetry.protocols.influx.points import decode_line_protocol
from apps.telemetry.protocols.points import MAX_METRIC_NAME_LENGTH, metric_name_error
from apps.telemetry.protocols.tag_mapping import metric_name_of
from urfmp.common.time_bounds import time_error

SHARED = Path(os.environ.get("URFMP_SHARED", Path(__file__).parents[3] / "shared"))
CORPUS = SHARED / "data" / "line_protocol_corpus.json.gz"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def as_bytes(text):
    return base64.b64decode(text["binary"]) if isinstance(text, dict) else text.encode()


def as_corpus(line, default_time):
    """Return a parsed line in the format of the corpus."""

    def value(of):
        kinds = {bool: "bool", int: "int", Unsigned: "uint", float: "float", str: "string"}
        return {kinds[type(of)]: of}

    return {
        "time": default_time if line.time is None else line.time,
        "name": line.measurement,
        "tags": [{"key": key, "value": text} for key, text in line.tags],
        "fields": [{"key": key, "value": value(of)} for key, of in line.fields],
    }


@pytest.mark.skipif(not CORPUS.exists(), reason=f"{CORPUS} is not there; set URFMP_SHARED")
def test_parser_matches_influx_corpus():
    cases = json.loads(gzip.decompress(CORPUS.read_bytes())).values()
    assert len(cases) == 670
    for case in cases:
        given, expected = case["input"], case["output"]
        unit = PRECISIONS[given["precision"].removeprefix("1")]
        entries = list(parse_lines(as_bytes(given["text"]), unit=unit))
        failed = [entry for entry in entries if isinstance(entry, LineError)]
        assert bool(failed) == ("error" in expected), (given, entries)
        if not failed:
            found = [as_corpus(entry, given["defaultTime"]) for entry in entries]
            assert found == expected["result"], given


def test_parser_invalid_line_affects_only_itself():
    body = b"a v=1 1\nnonsense\n# a comment\n\r\n  b v=2 2\r\nc v=oops 3\nd v=4 4"
    entries = list(parse_lines(body))
    numbers = [(type(entry), entry.number) for entry in entries]
    assert numbers == [
        (ParsedLine, 1),
        (LineError, 2),
        (ParsedLine, 5),
        (LineError, 6),
        (ParsedLine, 7),
    ]


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"m,a=1,a=1 v=1", "repeated"),
        (b"m v=9223372036854775808i", "out of range"),
        (b"m v=18446744073709551616u", "out of range"),
        (b"m v=-1u", "not a value"),
        (b"m v=1e999", "out of range"),
        (b"m v=0x10", "not a value"),
        (b"m v=NaN", "not a value"),
        (b"m v=-inf", "not a value"),
        (b"m v=1 9223372036854775808", "out of range"),
        (b"m v=1 1-2", "whole number"),
        (b"m v=1 1.5", "time"),
        (b"m v=1 " + b"1" * 5000, "whole number"),
        (b"m v=" + b"1" * 5000 + b"i", "whole number"),
        (b'm v="open', "not terminated"),
        (b"m v=1 1 x", "end of the line"),
        (b"#\x01", "control character"),
        (b"m," + b",".join(b"t%d=1" % n for n in range(1001)) + b" v=1", "1000 others"),
        (b"m " + b",".join(b"v%d=1" % n for n in range(10_001)), "10000 fields"),
    ],
)
def test_parser_invalid_line_is_reported(line, detail):
    (entry,) = parse_lines(line)
    assert detail in entry.detail


@pytest.mark.parametrize(("unit", "time"), [("ns", 5), ("us", 5_000), ("h", 18_000_000_000_000)])
def test_parser_precision_scales_times(unit, time):
    (entry,) = parse_lines(b"m v=1 5", unit=PRECISIONS[unit])
    assert entry.time == time


# Round trip, with names that can be written: no control characters, and no trailing backslash,
# which would escape the next character.
_control = {"max_codepoint": 0x10FFFF, "exclude_categories": ["Cs"]}
_name = (
    st.text(st.characters(exclude_characters="\\\x7f", min_codepoint=32, **_control), min_size=1)
    | st.text('a\\, ="', min_size=1).map(lambda text: text + "x")
).filter(lambda name: not name.startswith("#"))
_value = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(0, 2**64 - 1).map(Unsigned)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(**_control))
)
_lines = st.builds(
    ParsedLine,
    st.just(1),
    _name,
    st.dictionaries(_name, _name, max_size=3).map(lambda tags: tuple(sorted(tags.items()))),
    st.lists(st.tuples(_name, _value), min_size=1, max_size=3).map(tuple),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


def escaped(text, chars):
    return "".join(f"\\{char}" if char in chars else char for char in text)


def written(line):
    def value(of):
        if isinstance(of, bool):
            return str(of)
        if isinstance(of, str):
            return '"{}"'.format(escaped(of, '"\\'))
        suffix = "u" if isinstance(of, Unsigned) else "i" if isinstance(of, int) else ""
        return f"{of!r}{suffix}"

    head = escaped(line.measurement, ", ") + "".join(
        f",{escaped(key, ',= ')}={escaped(text, ',= ')}" for key, text in line.tags
    )
    fields = ",".join(f"{escaped(key, ',= ')}={value(of)}" for key, of in line.fields)
    return " ".join([head, fields, *([] if line.time is None else [str(line.time)])])


def reported(line):
    kinds = [(key, type(of), of) for key, of in line.fields]
    return line.measurement, line.tags, kinds, line.time


@settings(max_examples=300, deadline=None)
@given(st.lists(_lines, max_size=4))
def test_parser_round_trip(lines):
    body = "\n".join(map(written, lines)).encode()
    assert [reported(entry) for entry in parse_lines(body)] == [reported(line) for line in lines]


_pieces = st.lists(
    st.sampled_from([b"m", b",", b"=", b" ", b"\n", b"\r", b"\\", b'"', b"1", b"i", b"#", b"t=a"])
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(_pieces)
def test_parser_any_bytes_never_crashes(body):
    batch = decode_line_protocol(body, NOW, max_lines=1000, max_values=1000)
    indexes = [index for index, _ in batch.points] + [item.index for item in batch.rejected]
    assert sorted(indexes) == list(range(len(batch.lines)))
    for _, point in batch.points:
        assert math.isfinite(point.value)
        assert (
            metric_name_error(point.metric_name) is None
            or len(point.metric_name) > MAX_METRIC_NAME_LENGTH
        )
        assert (time_error(point.time, NOW, NOW - timedelta(days=365)) or ("",))[0] in {
            "",
            "too_old",
            "clock_skew",
        }


@settings(max_examples=300, deadline=None)
@given(_lines)
def test_metric_names_are_valid_unless_too_long(line):
    batch = decode_line_protocol(written(line).encode(), NOW, max_lines=9, max_values=9)
    for _, point in batch.points:
        if metric_name_error(point.metric_name):
            assert len(point.metric_name) > MAX_METRIC_NAME_LENGTH


ID = "0b8f7c0e-6f5b-4d8e-9a55-0c8f3c1d2e4f"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("cpu usage_idle=98.5", "cpu.usage_idle", 98.5),
        ("temperature.motor joint1=41", "temperature.motor.joint1", 41.0),
        ("temperature motor.joint1=41", "temperature.motor.joint1", 41.0),
        ("m n=-7i", "m.n", -7.0),
        ("m n=7u", "m.n", 7.0),
        ("m n=18446744073709549568u", "m.n", 2.0**64 - 2048),
        ("m n=9007199254740992i", "m.n", 2.0**53),
        ("m on=true", "m.on", 1.0),
        ("m on=F", "m.on", 0.0),
        ("cpu,cpu=cpu0 idle=1", "cpu.idle.cpu.cpu0", 1.0),
        ("cpu,cpu=cpu1 idle=1", "cpu.idle.cpu.cpu1", 1.0),
        ("m,robot=R1,robot_id=" + ID + ",z=1 v=1", "m.v.z.1", 1.0),
    ],
)
def test_decode_names_and_values(line, name, value):
    batch = decode_line_protocol(line.encode(), NOW, max_lines=9, max_values=9)
    ((_, point),) = batch.points
    assert (point.metric_name, point.value, point.time) == (name, value, NOW)
    assert type(point.value) is float
    assert metric_name_error(point.metric_name) is None


@pytest.mark.parametrize(
    ("line", "readable"),
    [
        ("CPU Usage\\ Idle=1", "cpu.usage_idle"),
        ("a..b .c=1", "a._.b._.c"),
        ("Öl-Druck bar%=1", "_l_druck.bar_"),
        ("disk,path=/var/log,device=sda1 used=1", "disk.used.device.sda1.path._var_log"),
        ("net,ip=10.0.0.1 up=1", "net.up.ip.10_0_0_1"),
        ("joint J1-temp=1", "joint.j1_temp"),
        ("joint j1_temp__habcdefgh23=1", "joint.j1_temp__habcdefgh23"),
    ],
)
def test_changed_name_has_digest_and_is_reported(line, readable):
    batch = decode_line_protocol(line.encode(), NOW, max_lines=9, max_values=9)
    ((_, point),) = batch.points
    assert re.fullmatch(re.escape(readable) + "__h[a-z2-7]{10}", point.metric_name)
    assert [*batch.renamed.values()] == [point.metric_name]


# Similar texts are likely: letters that differ in case, punctuation, other scripts.
_similar = st.text(st.sampled_from("aA_-.é\u0301温湿/ ="), min_size=1, max_size=4)
_names = st.lists(_similar, min_size=2, max_size=4)


@settings(max_examples=400, deadline=None)
@given(_names, _names)
def test_different_parts_have_different_names(first, second):
    names = metric_name_of(first), metric_name_of(second)
    assert (names[0] == names[1]) is (first == second)
    # A changed name cannot be sent: it would be changed again.
    if names[0] != ".".join(first):
        assert metric_name_of(names[0].split(".")) != names[0]


_fields = st.tuples(
    st.text(st.sampled_from("aA_-é温"), min_size=1, max_size=3),
    st.dictionaries(_similar, _similar, max_size=2),
    st.text(st.sampled_from("aA_-é湿"), min_size=1, max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_fields, min_size=2, max_size=6, unique_by=repr))
def test_renaming_is_injective(series):
    lines = [
        ParsedLine(1, measurement, tuple(sorted(tags.items())), ((key, 1.0),), 0)
        for measurement, tags, key in series
    ]
    body = "\n".join(map(written, lines)).encode()
    batch = decode_line_protocol(body, NOW, max_lines=99, max_values=99)
    names = [point.metric_name for _, point in batch.points]
    distinct = {(line.measurement, line.tags, line.fields[0][0]) for line in lines}
    assert len(names) == len(lines)
    assert len(set(names)) == len(distinct)
    assert all(metric_name_error(name) is None for name in names)


@pytest.mark.parametrize(
    "number", ["9007199254740993i", "-9007199254740993i", "18446744073709551615u"]
)
def test_integer_that_is_not_exact_is_rejected(number):
    batch = decode_line_protocol(f"m n={number},ok=1".encode(), NOW, max_lines=9, max_values=9)
    assert [item.code for item in batch.rejected] == ["not_exact"]
    assert [point.metric_name for _, point in batch.points] == ["m.ok"]


@pytest.mark.parametrize(
    ("tags", "robot_id", "serial_number"),
    [
        ("", None, None),
        (",robot=SN-1", None, "SN-1"),
        (",serial_number=SN-1", None, "SN-1"),
        (",robot=" + ID, ID, None),
        (",robot=" + ID.replace("-", ""), None, ID.replace("-", "")),
        (",robot_id=" + ID.upper(), ID, None),
        (",robot_id=" + ID + ",serial_number=SN-1", ID, "SN-1"),
        (",robot=SN-1,robot_id=" + ID, ID, "SN-1"),
        (",robot=SN-1,serial_number=SN-1", None, "SN-1"),
    ],
)
def test_decode_robot_tag_resolves_robot(tags, robot_id, serial_number):
    batch = decode_line_protocol(f"m{tags} v=1".encode(), NOW, max_lines=9, max_values=9)
    ((_, point),) = batch.points
    named = str(point.robot_id) if point.robot_id else None
    assert (named, point.serial_number, point.metric_name) == (robot_id, serial_number, "m.v")


@pytest.mark.parametrize("tags", ["robot_id=SN-1", f"robot=A,serial_number=B,robot_id={ID}"])
def test_decode_ambiguous_robot_tags_are_rejected(tags):
    batch = decode_line_protocol(f"m,{tags} v=1".encode(), NOW, max_lines=9, max_values=9)
    assert [item.code for item in batch.rejected] == ["unknown_robot"]


def test_decode_times_are_truncated_to_microseconds():
    body = b"m v=1 1769860800123456999\nm v=1 -1"
    batch = decode_line_protocol(body, NOW, max_lines=9, max_values=9)
    assert batch.points[0][1].time == datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert batch.points[1][1].time.isoformat() == "1969-12-31T23:59:59.999999+00:00"


@pytest.mark.parametrize("body", [b"m v=1\n" * 10, b"m a=1,b=1,c=1\n" * 4, b"x\n" * 10])
def test_decode_too_many_lines_or_values_raises(body):
    with pytest.raises(TooManyPointsError):
        decode_line_protocol(body, NOW, max_lines=9, max_values=10)
