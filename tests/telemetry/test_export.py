"""Exports contain exactly the stored rows of the organization, within limits."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pyarrow.parquet as pq
import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from apps.audit.models import AuditLog
from apps.telemetry.services import export
from apps.telemetry.services.export_formats import EXPORT_FORMATS
from urfmp.common import export_slots
from urfmp.common.http.downloads import DownloadAbortedError
from urfmp.common.tenancy.context import Actor

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
START = MIDNIGHT + timedelta(hours=12)
URL = "/api/v1/telemetry/export"
RANGE = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-03T00:00:00Z"}


def store(robot, points):
    """Insert points `(metric, time, value, unit, metadata)`."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO robot_telemetry (robot_id, metric_name, time, value, unit, metadata)"
            " VALUES (%s, %s, %s, %s::float8, %s, %s)",
            [
                (robot.pk, *point[:4], None if point[4] is None else Jsonb(point[4]))
                for point in points
            ],
        )


def body(response):
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


def exact(rows):
    """Return rows in which -0.0 differs from 0.0 and the order of keys is ignored."""
    return [(*map(repr, row[:-1]), json.dumps(row[-1], sort_keys=True)) for row in rows]


def without_guard(text):
    return text.removeprefix("'")


def read_csv(content):
    """Return the rows; an unquoted empty cell is a missing value."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    return [
        (
            row["robot_id"],
            without_guard(row["metric_name"]),
            datetime.fromisoformat(row["time"]),
            float(row["value"]) if row["value"] else None,
            without_guard(row["unit"]) or None,
            json.loads(without_guard(row["metadata"])) if row["metadata"] else None,
        )
        for row in rows
    ]


def read_parquet(content):
    rows = pq.read_table(io.BytesIO(content)).to_pylist()
    return [
        (
            row["robot_id"],
            row["metric_name"],
            row["time"].astimezone(UTC),
            row["value"],
            row["unit"],
            None if row["metadata"] is None else json.loads(row["metadata"]),
        )
        for row in rows
    ]


READERS = {
    "csv": read_csv,
    "csv.gz": lambda content: read_csv(gzip.decompress(content)),
    "parquet": read_parquet,
}


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name='=HYPERLINK("x")', serial_number="+SN,1")


@pytest.fixture
def client(organization_a, make_key, robot):
    return Client(
        headers={"x-api-key": make_key(organization_a, ["telemetry:read", "robots:read"])}
    )


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
points = st.lists(
    st.tuples(
        st.sampled_from(["a", "b.c", "joint.0.angle"]),
        st.integers(0, 47 * 3600 * 10**6 - 1).map(lambda n: MIDNIGHT + timedelta(microseconds=n)),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | texts.filter(bool),
        st.none() | st.dictionaries(texts, st.none() | st.integers(-(2**53), 2**53) | texts),
    ),
    max_size=30,
    unique_by=lambda point: point[:2],
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(rows=points)
@example(rows=[("a", START, -0.0, '"', {"=": "\n,\"'"}), ("b.c", START, 5e-324, "-1", {})])
def test_export_matches_stored_points(rows, client, robot, organization_a, tenant, monkeypatch):
    monkeypatch.setattr(export, "FETCH_ROWS", 7)
    wanted = sorted(((str(robot.pk), *row) for row in rows), key=lambda row: (row[2], row[1]))
    with tenant(organization_a), transaction.atomic():
        store(robot, rows)
        for name, read in READERS.items():
            rows_out = read(body(client.get(URL, {**RANGE, "format": name})))
            assert exact(rows_out) == exact(wanted), name
        transaction.set_rollback(True)


@pytest.fixture
def stored(robot, organization_a, tenant):
    with tenant(organization_a):
        store(robot, [("a", START + timedelta(seconds=n), n, "W", None) for n in range(20)])
        store(robot, [("b", START, 1, None, None)])


def test_export_escapes_formulas(client, robot, organization_a, tenant):
    with tenant(organization_a):
        store(robot, [("a", START, -1.5, "@u", {"a": 1})])
        connection.cursor().execute(
            "INSERT INTO robot_telemetry (robot_id, metric_name, time, value, metadata)"
            " VALUES (%s, '=b', %s, 1, '-1')",
            [robot.pk, START],
        )
    (first, second) = csv.DictReader(
        io.StringIO(body(client.get(URL, {**RANGE, "format": "csv"})).decode("utf-8-sig"))
    )
    assert second == {
        "robot_id": str(robot.pk),
        "robot_name": '\'=HYPERLINK("x")',
        "serial_number": "'+SN,1",
        "metric_name": "a",
        "time": "2026-03-01T12:00:00.000000Z",
        "value": "-1.5",
        "unit": "'@u",
        "metadata": '{"a": 1}',
    }
    assert (first["metric_name"], first["metadata"]) == ("'=b", "'-1")
    (first, second) = read_parquet(body(client.get(URL, {**RANGE, "format": "parquet"})))
    assert (first[1], second[4]) == ("=b", "@u")


def test_csv_begins_with_byte_order_mark_unless_declined(client, robot, stored):
    """Without it Excel shows umlauts as two characters; some programs cannot read it."""
    content = body(client.get(URL, {**RANGE, "format": "csv"}))
    plain = body(client.get(URL, {**RANGE, "format": "csv", "byte_order_mark": "false"}))
    assert content == codecs.BOM_UTF8 + plain
    assert plain.startswith(b"robot_id,")
    assert client.get(URL, {**RANGE, "format": "csv", "byte_order_mark": "x"}).status_code == 400


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_export_without_points_is_valid_file(name, client):
    response = client.get(URL, {**RANGE, "format": name})
    assert READERS[name](body(response)) == []
    assert response["Content-Type"] == EXPORT_FORMATS[name].content_type
    assert response["Content-Disposition"] == (
        'attachment; filename="telemetry_20260301T000000Z_20260303T000000Z.' + name + '"'
    )


def test_export_parquet_has_many_row_groups(client, stored, monkeypatch):
    monkeypatch.setattr(export, "FETCH_ROWS", 4)
    monkeypatch.setattr("apps.telemetry.services.export_formats._MAX_ROW_GROUP_ROWS", 8)
    content = body(client.get(URL, {**RANGE, "format": "parquet"}))
    file = pq.ParquetFile(io.BytesIO(content))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [8, 8, 5]
    assert [row[3] for row in read_parquet(content)][2:] == [float(n) for n in range(1, 20)]


def test_export_filters_robots_metrics_and_range(
    client, robot, stored, organization_a, make_robot, tenant
):
    other = make_robot(organization_a)
    with tenant(organization_a):
        store(other, [("a", START, 99, None, None)])

    def values(**parameters):
        response = client.get(URL, {**RANGE, "format": "csv", **parameters})
        return [row[3] for row in read_csv(body(response))]

    assert sorted(values(metrics="a")) == sorted([*range(20), 99])
    assert values(robots=str(other.pk)) == [99]
    assert values(robots=f"{robot.pk},{other.pk}", metrics="b") == [1]
    end = (START + timedelta(seconds=3)).isoformat()
    assert values(robots=str(robot.pk), metrics="a, b", start=START.isoformat(), end=end) == [
        0,
        1,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"format": "xlsx"}, 400, "invalid"),
        ({"format": ""}, 400, "invalid"),
        ({"start": "yesterday"}, 400, "invalid"),
        ({"start": "0001-01-01T00:00:00+14:00"}, 400, "invalid"),
        ({"end": RANGE["start"]}, 400, "invalid_range"),
        ({"robots": "x"}, 400, "invalid"),
        ({"robots": ""}, 400, "invalid"),
        ({"metrics": "a,,b"}, 400, "invalid"),
        ({"metrics": "a\x00b"}, 400, "invalid"),
        ({"limit": "5"}, 400, "invalid"),
        ({"robots": "00000000-0000-0000-0000-000000000000"}, 404, "not_found"),
    ],
)
def test_export_invalid_parameters_get_400(wrong, status, code, client):
    response = client.get(URL, {**RANGE, "format": "csv", **wrong})
    assert (response.status_code, response.json()["code"]) == (status, code), response.content


def test_other_organization_gets_404(robot, stored, charlie, client_for):
    other_key = client_for(charlie)
    response = other_key.get(URL, {**RANGE, "format": "csv", "robots": str(robot.pk)})
    assert response.status_code == 404
    assert read_csv(body(other_key.get(URL, {**RANGE, "format": "csv"}))) == []


def test_export_never_returns_rows_of_other_organization(robot, stored, organization_b, make_robot):
    query = export.ExportQuery(
        robot_ids=(robot.pk,),
        metrics=None,
        start=START,
        end=START + timedelta(days=1),
        format="csv",
    )
    assert list(export.read_lines(query, organization_b.id, Actor())) == []


def test_viewer_cannot_export(bob, client_for):
    assert client_for(bob).get(URL, {**RANGE, "format": "csv"}).status_code == 403


def test_export_key_without_robots_scope_gets_403(organization_a, make_key):
    client = Client(headers={"x-api-key": make_key(organization_a, ["telemetry:read"])})
    response = client.get(URL, {**RANGE, "format": "csv"})
    assert response.status_code == 403
    assert "robots:read" in response.json()["detail"]


def test_export_robot_key_gets_only_its_robot(
    robot, stored, organization_a, make_robot, make_key, tenant
):
    other = make_robot(organization_a)
    with tenant(organization_a):
        store(other, [("a", START, 99, None, None)])
    key = make_key(organization_a, ["telemetry:read", "robots:read"], robot=other)
    client = Client(headers={"x-api-key": key})
    assert [row[3] for row in read_csv(body(client.get(URL, {**RANGE, "format": "csv"})))] == [99]
    response = client.get(URL, {**RANGE, "format": "csv", "robots": str(robot.pk)})
    assert response.status_code == 404


def test_writes_audit_row(alice, client_for, robot, organization_a, tenant):
    body(client_for(alice).get(URL, {**RANGE, "format": "parquet", "metrics": "a,b"}))
    with tenant(organization_a):
        row = AuditLog.objects.get(action="telemetry.export")
    assert (row.user_id, row.request_data) == (
        alice.pk,
        {
            "format": "parquet",
            "start": "2026-03-01T00:00:00+00:00",
            "end": "2026-03-03T00:00:00+00:00",
            "robots": "all",
            "metrics": ["a", "b"],
        },
    )


# Concurrent exports, and clients that stop reading


@pytest.fixture
def acquire_slots(transactional_db):
    """Return a function that acquires a slot as another process would; all are released."""
    acquired = []

    def acquire(name, count):
        other = psycopg.connect(**_parameters())
        acquired.append(other)
        return other.execute(export_slots.ACQUIRE_SQL, [count, name]).fetchone()

    yield acquire
    for other in acquired:
        other.close()


def _parameters():
    parameters = connection.get_connection_params()
    return {k: v for k, v in parameters.items() if k not in {"context", "cursor_factory"}}


@pytest.mark.parametrize("whose", ["organization", "platform"])
def test_export_concurrent_limit_gets_429(
    whose, acquire_slots, client, organization_a, organization_b, make_key
):
    if whose == "organization":
        name, count = (
            f"telemetry.export:{organization_a.id}",
            export_slots.MAX_CONCURRENT_PER_ORGANIZATION,
        )
    else:
        name, count = "telemetry.export", export_slots.MAX_CONCURRENT_TOTAL
    for _ in range(count):
        assert acquire_slots(name, count)
    assert acquire_slots(name, count) is None
    response = client.get(URL, {**RANGE, "format": "csv"})
    assert (response.status_code, response.json()["code"]) == (429, "too_many_exports")
    assert response["Retry-After"] == "30"
    other = Client(
        headers={"x-api-key": make_key(organization_b, ["telemetry:read", "robots:read"])}
    )
    expected = 200 if whose == "organization" else 429
    response = other.get(URL, {**RANGE, "format": "csv"})
    assert response.status_code == expected
    response.close()


@pytest.mark.parametrize("ends", ["read", "closed"])
def test_export_keeps_its_slot_until_its_end(
    ends, acquire_slots, client, stored, organization_a, monkeypatch
):
    monkeypatch.setattr(export, "FETCH_ROWS", 2)
    name = f"telemetry.export:{organization_a.id}"
    response = client.get(URL, {**RANGE, "format": "csv"})
    most = export_slots.MAX_CONCURRENT_PER_ORGANIZATION
    assert [acquire_slots(name, most) for _ in range(most)][-1] is None
    if ends == "read":
        assert body(response)
    else:
        response.close()
    assert acquire_slots(name, most) is not None
    assert not connection.in_atomic_block


def test_export_that_fails_before_its_file_releases_its_slot(
    acquire_slots, client, organization_a, monkeypatch
):
    monkeypatch.setattr(export, "audit_record", None)
    client.raise_request_exception = False
    assert client.get(URL, {**RANGE, "format": "csv"}).status_code == 500
    name = f"telemetry.export:{organization_a.id}"
    most = export_slots.MAX_CONCURRENT_PER_ORGANIZATION
    assert all(acquire_slots(name, most) for _ in range(most))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_export_whose_database_dies_is_aborted(name, client, stored, monkeypatch, caplog):
    monkeypatch.setattr(export, "FETCH_ROWS", 2)
    monkeypatch.setattr("apps.telemetry.services.export_formats._MAX_ROW_GROUP_ROWS", 2)
    response = client.get(URL, {**RANGE, "format": name})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    with psycopg.connect(**_parameters()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [backend])
    with pytest.raises(DownloadAbortedError):
        body(response)
    (record,) = (r for r in caplog.records if r.levelname == "WARNING")
    assert response["Content-Disposition"].split('"')[1] in record.getMessage()
    assert "\n" not in record.getMessage()
    assert record.exc_info is None
    assert not connection.in_atomic_block
    assert body(client.get(URL, {**RANGE, "format": name}))


def test_export_that_takes_too_long_is_aborted(client, stored, monkeypatch, caplog):
    monkeypatch.setattr(export, "FETCH_ROWS", 2)
    response = client.get(URL, {**RANGE, "format": "csv"})
    monkeypatch.setattr(export.time, "monotonic", lambda: float("inf"))
    with pytest.raises(DownloadAbortedError):
        body(response)
    assert "longer than an hour" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_export_without_database_at_its_start_gets_503(client, stored, monkeypatch):
    def lose_connection(*args):
        raise OperationalError

    monkeypatch.setattr(export, "_fetch_lines", lose_connection)
    response = client.get(URL, {**RANGE, "format": "csv"})
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response["X-Request-ID"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_export_closed_by_client_ends_transaction(name, client, stored, monkeypatch):
    monkeypatch.setattr(export, "FETCH_ROWS", 2)
    monkeypatch.setattr("apps.telemetry.services.export_formats._MAX_ROW_GROUP_ROWS", 2)
    response = client.get(URL, {**RANGE, "format": name})
    iterator = iter(response)
    next(iterator)
    next(iterator, None)
    response.close()
    assert not connection.in_atomic_block
    assert connection.tenant_id is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors")
        assert cursor.fetchone() == (0,)
