"""Files of robots: what readers accept, and that exports are read back unchanged."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from apps.robots.choices import Capability, Lifecycle
from apps.robots.exceptions import FleetFileBusyError, InvalidFleetFileError
from apps.robots.models import Robot
from apps.robots.protocols.fleet_files import readers, spreadsheet_program
from apps.robots.protocols.fleet_files.columns import DateCell
from apps.robots.protocols.fleet_files.readers import read_fleet_file, rows_of_objects
from apps.robots.protocols.fleet_files.writers import FORMATS
from apps.robots.services.exports import robot_record
from apps.robots.services.imports.rows import changed_fields
from urfmp.common.db.names import (
    identifier_error,
    name_error,
    normalize_identifier,
    normalize_name,
)

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)
NAMES = _TEXT.map(normalize_name).filter(lambda text: text and not name_error(text))
IDENTIFIERS = _TEXT.map(normalize_identifier).filter(
    lambda text: text and not identifier_error(text)
)
FORMULAS = st.sampled_from(["=1+1", "'=1", "+49", "-1", "@x", "'t Hart", "''", "'", "a;b|c,d"])
NUMBERS = st.floats(-1e7, 1e7) | st.integers(-1000, 1000)


def optional(**strategies):
    return st.fixed_dictionaries({}, optional=strategies)


MAPS = st.fixed_dictionaries(
    {"x_m": NUMBERS, "y_m": NUMBERS}, optional={"theta_rad": NUMBERS, "map_id": NAMES | FORMULAS}
)
GPS = st.fixed_dictionaries({"latitude": st.floats(-90, 90), "longitude": st.floats(-180, 180)})
ROBOTS = st.builds(
    Robot,
    name=NAMES | FORMULAS,
    vendor=IDENTIFIERS | st.just("kuka"),
    model=st.none() | IDENTIFIERS | FORMULAS,
    serial_number=st.none() | IDENTIFIERS,
    firmware_version=st.none() | st.sampled_from(["5.10", "007", "1e5", "-1"]),
    lifecycle=st.sampled_from(Lifecycle.values),
    location=st.none()
    | optional(
        facility=st.none() | NAMES,
        area=NAMES | FORMULAS,
        cell=NAMES,
        coordinates=st.none() | MAPS | GPS,
    ),
    configuration=optional(
        axes=st.integers(1, 12),
        payload=st.floats(0, 1e6) | st.integers(0, 100),
        reach=st.floats(0, 1e6),
        capabilities=st.lists(st.sampled_from(Capability.values), max_size=3),
        customSettings=st.just({"a": {"b": 1}}),
    ),
    connection_config=st.none()
    | st.fixed_dictionaries(
        {"protocol": st.just("http"), "host": st.just("10.0.0.1")},
        optional={
            "port": st.integers(1, 65535),
            "path": FORMULAS,
            "use_tls": st.booleans(),
            "settings": st.just({"x": "y"}),
            "secrets": st.just({"token": {"value": "v1", "set_at": "2026-01-01T00:00:00+00:00"}}),
        },
    ),
    offline_after_seconds=st.none() | st.integers(5, 86400),
)


@pytest.mark.parametrize("kind", list(FORMATS))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(robots=st.lists(ROBOTS, min_size=1, max_size=4))
def test_export_is_read_back_unchanged(kind, robots):
    content = b"".join(FORMATS[kind].write(map(robot_record, robots)))
    rows = read_fleet_file(content)
    assert [row.values["id"] for row in rows] == [str(robot.pk) for robot in robots]
    for robot, row in zip(robots, rows, strict=True):
        assert set(row.errors) <= {"serial_number"}  # of two robots that the test has generated
        assert changed_fields(robot, row.values) == {}


@settings(max_examples=60)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: ("id,name\n" + t).encode()))
def test_any_bytes_are_rows_or_rejected(data):
    try:
        rows = read_fleet_file(data)
    except InvalidFleetFileError as error:
        assert error.message
    else:
        json.dumps([row.values for row in rows], allow_nan=False)
        assert "\\u0000" not in json.dumps([(row.values, row.errors) for row in rows])


def workbook(*rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"serial_number,name\n", "has no rows"),
        (b"serial_number,colour\nA,red\n", "Unknown columns: colour. Known columns: id, serial"),
        (b"name,vendor\nA,kuka\n", "serial_number or id is missing"),
        (b"serial_number,name,name\nA,b,c\n", "occur twice: name"),
        ("serial_number,name\nA,Schwei\xdfer\n".encode("latin-1"), "Line 2 is not UTF-8"),
        (b'serial_number,name\nA,"b\nC,d', "is not CSV"),
        (b"serial_number,name\nA,b\x00\n", "is not text"),
        (b"\xd0\xcf\x11\xe0 old", "Save it as .xlsx"),
        (b"PK\x03\x04 broken", "is damaged"),
        (b"[1]", "must be an array of objects"),
        (b"[", "is not JSON"),
        (b'{"robots": 1}', "must be an array of objects"),
        (b"[" * 5000, "is not JSON"),
        (b'[{"serial_number": "A", "colour": 1}]', "Unknown columns: colour"),
    ],
)
def test_file_that_is_not_understood_says_why(data, message):
    with pytest.raises(InvalidFleetFileError) as caught:
        read_fleet_file(data)
    assert message in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"serial_number,name,payload_kg\nA,b,1.5\n",
        b"\xef\xbb\xbfSerial number;Name;Payload-kg\r\nA;b;1,5\r\n\r\n",
        b"sep=;\nserial_number;name;payload_kg\nA;b;1,5\n",
        b"serial_number\tname\tpayload_kg\nA\tb\t1.5",
        "serial_number,name,payload_kg\nA,b,1.5\n".encode("utf-16"),
        workbook(["serial_number", "name", "payload_kg"], ["A", "b", 1.5], [None, None, None]),
        b'{"robots": [{"serial_number": "A", "name": "b", "payload_kg": 1.5}]}',
    ],
)
def test_formats_give_the_same_row(data):
    (row,) = read_fleet_file(data)
    assert (row.values, row.errors) == (
        {"serial_number": "A", "name": "b", "payload_kg": 1.5},
        {},
    )


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("payload_kg", "1,250.5", "is not a number. Write it with a decimal point"),
        ("payload_kg", "NaN", "is not a number"),
        ("payload_kg", "1e999", "is not a number"),
        ("axes", "6.5", "is not a whole number"),
        ("axes", 10**400, "too large"),
        ("axes", True, "is not a whole number"),
        ("use_tls", "maybe", "neither true nor false"),
        ("capabilities", {"a": 1}, "Enter texts"),
        ("firmware_version", 5.12, "Format it as text"),
        ("firmware_version", True, "Enter a text"),
        ("name", "x" * 1001, "longer than 1,000"),
        ("name", "a\x00b", "NUL"),
        ("name", DateCell("2026-01-02"), "is a date"),
    ],
)
def test_cell_of_another_type_is_an_error(column, cell, message):
    (row,) = rows_of_objects([{"serial_number": "A", column: cell}])
    assert message in row.errors[column]
    assert column not in row.values


def test_rows_with_the_same_key_name_the_first_line():
    rows = read_fleet_file("serial_number\nA\nB\nＡ\n".encode())  # noqa: RUF001 - full width
    assert [row.errors for row in rows] == [
        {}, {}, {"serial_number": "Line 2 has the same value."},
    ]  # fmt: skip


def test_row_without_key_or_with_more_cells_is_bad():
    rows = read_fleet_file(b"serial_number,name\n,b\nA,b,c\nB\n")
    assert "Enter a serial number" in rows[0].errors["serial_number"]
    assert rows[1].errors == {"": "The row has more cells than the header."}
    assert rows[2].values == {"serial_number": "B", "name": None}


def test_formula_of_spreadsheet_is_text():
    (row,) = read_fleet_file(workbook(["serial_number", "name"], ["A", '=HYPERLINK("x")']))
    assert row.values["name"] == '=HYPERLINK("x")'


def test_dates_of_spreadsheet_are_errors():
    (row,) = read_fleet_file(workbook(["serial_number", "name"], ["A", date(2026, 1, 2)]))
    assert row.errors == {"name": "The cell is a date. Format it as text."}


def test_lines_of_spreadsheet_count_its_empty_rows():
    rows = read_fleet_file(workbook(["serial_number"], ["A"], [None], [" "], ["A"]))
    assert [(row.line, row.errors) for row in rows] == [
        (2, {}), (5, {"serial_number": "Line 2 has the same value."}),
    ]  # fmt: skip


STRINGS_TYPE = (
    b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-'
    b'officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
)


def with_shared_strings(data, content):
    """Return a spreadsheet with other shared strings, which may be gigabytes when unpacked."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            part = source.read(entry)
            if entry.filename == "[Content_Types].xml":
                part = part.replace(b"</Types>", STRINGS_TYPE)
            if entry.filename != "xl/sharedStrings.xml":
                target.writestr(entry, part)
        with target.open("xl/sharedStrings.xml", "w") as part:
            for chunk in content:
                part.write(chunk)
    return file.getvalue()


_MAIN = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
_ENTITY = b'<!DOCTYPE l [<!ENTITY a0 "aaaaaaaaaa">%s]>'
_ENTITIES = b"".join(
    b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10) for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param([b" " * 2**20] * 129, "too large when unpacked", id="zip bomb"),
        pytest.param(
            [_MAIN, *[b"<si><t/></si>" * 100_000] * 96, b"</sst>"],
            "too large", id="many shared strings",
        ),
        pytest.param(
            [_ENTITY % _ENTITIES, _MAIN, b"<si><t>&a11;</t></si></sst>"],
            "cannot be read|too large", id="entities",
        ),
    ],
)  # fmt: skip
def test_bombs_are_rejected_by_a_process_with_limits(content, message, monkeypatch):
    """The shared strings are read before any row."""
    monkeypatch.setattr(readers._spreadsheet_reader, "_timeout_seconds", 3)
    data = with_shared_strings(workbook(["serial_number"], ["A"]), content)
    assert len(data) < readers.MAX_FILE_BYTES
    with pytest.raises(InvalidFleetFileError, match=message):
        read_fleet_file(data)


def test_long_shared_string_is_cut_before_it_is_repeated():
    text = "x" * 100_000
    data = workbook(["serial_number", "name"], *([str(n), text] for n in range(300)))
    rows = read_fleet_file(data)
    assert {row.errors["name"] for row in rows} == {"The text is longer than 1,000 characters."}


def test_rows_of_spreadsheet_stop_after_one_too_many(monkeypatch):
    monkeypatch.setattr(spreadsheet_program, "MAX_ROWS", 3)
    data = workbook(["serial_number"], *([str(n)] for n in range(50)))
    assert len(list(spreadsheet_program.spreadsheet_lines(data))) == 5  # with the header


def test_spreadsheet_program_needs_no_django():
    code = (
        "import sys, apps.robots.protocols.fleet_files.spreadsheet_program,"
        " apps.organizations.protocols.plan_pictures.program;"
        "sys.exit(any(name.split('.')[0] == 'django' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_second_spreadsheet_at_a_time_is_busy(monkeypatch):
    monkeypatch.setattr(readers._spreadsheet_reader, "_max_wait_seconds", 0.01)
    data = workbook(["serial_number"], ["A"])
    readers._spreadsheet_reader._free.acquire()
    try:
        with pytest.raises(FleetFileBusyError):
            read_fleet_file(data)
    finally:
        readers._spreadsheet_reader._free.release()
    assert len(read_fleet_file(data)) == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"id," * 2_000_000, "more than 100 cells", id="columns"),
        pytest.param(b"id\n" + b"x," * 2_000_000, "more than 100 cells", id="cells"),
        pytest.param(b"[" + b"{}," * 2_000_000 + b"{}]", "too many values", id="objects"),
        pytest.param(b"[" + b"0," * 3_000_000 + b"0]", "too many values", id="numbers"),
    ],
)
def test_files_of_many_values_are_rejected_at_once(data, message):
    start = time.process_time()
    with pytest.raises(InvalidFleetFileError, match=message):
        read_fleet_file(data)
    assert time.process_time() - start < 2


def test_trailing_empty_cells_are_no_columns():
    (row,) = read_fleet_file(b"serial_number" + b"," * 500 + b"\nA" + b"," * 500 + b"\n")
    assert (row.values, row.errors) == ({"serial_number": "A"}, {})


def test_too_many_rows_or_bytes_are_rejected(monkeypatch):
    monkeypatch.setattr(readers, "MAX_ROWS", 2)
    with pytest.raises(InvalidFleetFileError, match="more than 2 rows"):
        read_fleet_file(b"serial_number\nA\nB\nC\n")
    monkeypatch.setattr(readers, "MAX_FILE_BYTES", 10)
    with pytest.raises(InvalidFleetFileError, match="larger than"):
        read_fleet_file(b"serial_number\nA\n")
