from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.telemetry.choices import RecordingTimeFormat
from apps.telemetry.exceptions import InvalidRecordingError
from apps.telemetry.protocols.points import metric_name_error
from apps.telemetry.protocols.recordings.columns import propose_metric
from apps.telemetry.protocols.recordings.detection import sample_recording
from apps.telemetry.protocols.recordings.formats import (
    ColumnFormat,
    RecordingFormat,
    format_errors,
    from_document,
    to_document,
)
from apps.telemetry.protocols.recordings.points import read_recording
from apps.telemetry.protocols.recordings.times import TimeParser, detect_time_format

ROBOT = UUID(int=1)
BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(content: bytes, recording_format: RecordingFormat | None = None, part: int = 7):
    recording_format = recording_format or sample_recording(content, timezone="UTC").proposed
    parts = [content[at : at + part] for at in range(0, len(content), part)]
    return list(read_recording(parts, recording_format, ROBOT))


def values(content: bytes, **kwargs):
    """Return (metric, time, value, unit) of each point."""
    return [
        (point.metric_name, point.time, point.value, point.unit)
        for row in read(content, **kwargs)
        for point in row.points
    ]


def test_integer_that_is_not_exact_is_an_error():
    numbers = ["9007199254740993", "-00018014398509481985", "1" + "0" * 307 + "1"]
    exact = ["9007199254740992", "9007199254740993.0", "1e300", "18014398509481984", "-7"]
    text = "timestamp,counter\n" + "".join(
        f"{1790000000 + n},{number}\n" for n, number in enumerate([*numbers, *exact])
    )
    rows = read(text.encode())
    errors = [(error.row, error.code) for row in rows for error in row.errors]
    assert errors == [(2, "not_exact"), (3, "not_exact"), (4, "not_exact")]
    assert [point.value for row in rows for point in row.points] == [float(n) for n in exact]


def test_controller_recording_needs_no_mapping():
    content = (
        b"timestamp,actual_q_0,actual_qd_5,actual_TCP_pose_2,actual_TCP_pose_3,"
        b"joint_temperatures_1\n1790000000.008,0.0036,-1.5,0.0911,3.1,30\n"
    )
    at = datetime(2026, 9, 21, 14, 13, 20, 8000, tzinfo=UTC)
    assert values(content) == [
        ("joint.1.angle", at, 0.0036, "rad"),
        ("joint.6.velocity", at, -1.5, "rad/s"),
        ("position.z", at, 0.0911, "m"),
        ("position.rx", at, 3.1, "rad"),
        ("temperature.motor.joint2", at, 30.0, "Cel"),
    ]


def test_german_spreadsheet_is_detected():
    content = (
        "\ufeffZeit;Temperatur Öl [°C];Kraft (N);Bemerkung\r\n"
        "01.03.2026 12:00:00;21,5;-3;kalt\r\n"
        "01.03.2026 12:00:01,5;22,25;;warm\r\n"
    ).encode()
    assert values(content) == [
        ("temperatur_l", START, 21.5, "°C"),
        ("kraft", START, -3.0, "N"),
        ("temperatur_l", START + timedelta(seconds=1.5), 22.25, "°C"),
    ]


def test_windows_1252_and_utf_16_files_are_read():
    text = "time,Öl\n2026-03-01T12:00:00Z,1\n2026-03-01T12:00:01Z,2\n"
    for encoded in (text.encode("cp1252"), text.encode("utf-16"), gzip.compress(text.encode())):
        rows = read(encoded)
        assert [row.columns for row in rows] == [["Öl"], ["Öl"]]


def test_rows_have_spreadsheet_numbers_and_reasons():
    content = (
        b"time,a,b\n2026-03-01T12:00:00Z,1,x\n\nyesterday,1,2\n2026-03-01T12:00:01Z,nan,1_0\n"
        b"2026-03-01T12:00:02Z,1e400\n2026-03-01T12:00:03Z,true,\n"
    )
    columns = (ColumnFormat(1, "a"), ColumnFormat(2, "b"))
    recording_format = RecordingFormat(",", ".", 0, RecordingTimeFormat.DATETIME, "UTC", columns)
    rows = read(content, recording_format)
    assert [(e.row, e.column, e.code) for row in rows for e in row.errors] == [
        (2, "b", "value"), (4, "time", "time"), (5, "a", "value"), (5, "b", "value"),
        (6, "a", "value"),
    ]  # fmt: skip
    assert [(row.number, point.value) for row in rows for point in row.points] == [
        (2, 1.0), (7, 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"time,a\n", "no rows"),
        (b"time,a\n\x00\x01", "not text"),
        (b"time,a\n" + b"x" * 1_100_000, "more than 1 MB"),
        (gzip.compress(b"time,a\n1,2\n" * 9, mtime=0)[:-9], "incomplete"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff", "not a valid gzip"),
        (b"time," + b",".join(b"c%d" % n for n in range(600)) + b"\n1,2\n", "601 columns"),
    ],
)
def test_damaged_file_is_rejected(content, message):
    with pytest.raises(InvalidRecordingError, match=message):
        read(content)


def test_unclosed_quote_is_rejected():
    content = b"time,a\n2026-03-01T12:00:00Z,1\n" + b'2026-03-01T12:00:01Z,"' + b"1,\n" * 2_000
    with pytest.raises(InvalidRecordingError, match="a closing quote is missing"):
        read(content, part=100_000)


def test_concatenated_gzip_members_are_read():
    content = gzip.compress(b"time,a\n") + gzip.compress(b"2026-03-01T12:00:00Z,1\n")
    assert values(content) == [("a", START, 1.0, None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1790000000", "seconds"),
        ("1790000000.25", "seconds"),
        ("1790000000250", "milliseconds"),
        ("12.5", "elapsed"),
        ("2026-03-01", "datetime"),
        ("2026-03-01T12:00:00.123456789+01:00", "datetime"),
        ("1.3.2026 8:00", None),
        ("01.03.2026 08:00", "datetime"),
        ("-1", None),
        ("red", None),
        ("1_790_000_000", None),
    ],
)
def test_time_format_is_detected(text, expected):
    assert detect_time_format(text) == expected


def test_first_row_moves_to_start():
    times = TimeParser(RecordingTimeFormat.ELAPSED, timezone=BERLIN, starts_at=START)
    assert [times.parse(text) for text in ("107.5", "108", "107.25")] == [
        START, START + timedelta(seconds=0.5), START - timedelta(seconds=0.25),
    ]  # fmt: skip


def test_repeated_local_hour_continues():
    """Clocks in Berlin are set back from 03:00 to 02:00 on 2026-10-25, at 01:00 UTC."""
    times = TimeParser(RecordingTimeFormat.DATETIME, timezone=BERLIN)
    local = ("02:10", "02:50", "02:10", "02:50", "03:10")
    parsed = [times.parse(f"2026-10-25T{text}") for text in local]
    assert [f"{time:%H:%M}" for time in parsed] == ["00:10", "00:50", "01:10", "01:50", "02:10"]


def test_skipped_local_hour_is_rejected():
    times = TimeParser(RecordingTimeFormat.DATETIME, timezone=BERLIN)
    with pytest.raises(ValueError, match="02:30:00 does not exist in Europe/Berlin"):
        times.parse("2026-03-29T02:30:00")


@pytest.mark.parametrize("text", ["9999999999999999999", "1e30", "0001-01-01T00:00"])
def test_extreme_time_is_rejected(text):
    time_format = detect_time_format(text)
    assert time_format is not None
    times = TimeParser(time_format, timezone=ZoneInfo("Asia/Kathmandu"))
    with pytest.raises(ValueError, match="out of range"):
        times.parse(text)


def test_format_errors_name_each_fault():
    columns = (ColumnFormat(1, "a"), ColumnFormat(2, "a"), ColumnFormat(3, "Ü", "x" * 30))
    recording_format = RecordingFormat("x", "_", 9, RecordingTimeFormat.ELAPSED, "UTC", columns)
    errors = format_errors(recording_format, 4)
    assert len(errors) == 7
    assert "Two columns have the metric a." in errors
    assert "Enter a metric for at least one column." in format_errors(
        RecordingFormat(",", ".", 0, RecordingTimeFormat.SECONDS, "UTC", ()), 4
    )


@given(st.text(max_size=130))
def test_proposed_metric_is_valid_or_empty(column):
    metric, unit = propose_metric(column)
    assert not metric or metric_name_error(metric) is None
    assert len(unit) <= 20


_cells = st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(
    rows=st.lists(st.tuples(st.integers(0, 10**15), _cells, _cells), min_size=2, max_size=30),
    delimiter=st.sampled_from([",", ";", "\t"]),
    part=st.integers(1, 50),
    is_compressed=st.booleans(),
    time_format=st.sampled_from(["datetime", "milliseconds", "seconds"]),
)
def test_written_points_are_read_again(rows, delimiter, part, is_compressed, time_format):
    """Any file written from points gives the same points, whatever its form."""
    decimal = "." if delimiter == "," else ","
    output = io.StringIO()
    writer = csv.writer(output, delimiter=delimiter)
    writer.writerow(["time", "a", "b"])
    expected = []
    for micros, *cells in rows:
        time = START + timedelta(microseconds=micros)
        since = micros + int(START.timestamp()) * 1_000_000
        text = {
            "datetime": time.isoformat(),
            "milliseconds": f"{since // 1000}.{since % 1000:03}",
            "seconds": f"{since // 1_000_000}.{since % 1_000_000:06}",
        }[time_format]
        texts = ["" if cell is None else repr(cell) for cell in cells]
        plain = [text, *texts]
        writer.writerow([plain[0] if time_format == "datetime" else plain[0].replace(".", decimal)]
                        + [cell.replace(".", decimal) for cell in plain[1:]])  # fmt: skip
        expected += [
            (name, time, cell) for name, cell in zip("ab", cells, strict=True) if cell is not None
        ]
    content = output.getvalue().encode()
    content = gzip.compress(content) if is_compressed else content
    recording_format = RecordingFormat(
        delimiter,
        decimal,
        0,
        RecordingTimeFormat(time_format),
        "UTC",
        (ColumnFormat(1, "a"), ColumnFormat(2, "b")),
    )
    assert from_document(to_document(recording_format)) == recording_format
    found = [
        (m, t, v) for m, t, v, _ in values(content, recording_format=recording_format, part=part)
    ]
    assert found == expected
