from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.robots.models import Robot, RobotStatusHistory

ROBOTS = "/api/v1/robots"


@pytest.fixture
def client(alice, client_for):
    return client_for(alice)


@pytest.fixture
def make_rows(organization_a, tenant):
    """Return a function that adds robots with the values given, past the services."""

    def make(rows):
        with tenant(organization_a):
            return Robot.objects.bulk_create(
                Robot(organization=organization_a, vendor="abb", **{"name": "r", **values})
                for values in rows
            )

    return make


def pages(client, between=lambda: None, path=ROBOTS, **parameters):
    """Follow `next` to the end."""
    answer = client.get(path, parameters)
    while True:
        assert answer.status_code == 200, answer.content
        body = answer.json()
        yield body["results"]
        if body["next"] is None:
            return
        between()
        parts = urlsplit(body["next"])
        assert parse_qs(parts.query).keys() >= parameters.keys()
        answer = client.get(f"{parts.path}?{parts.query}")


def ids(found):
    return [row["id"] for page in found for row in page]


TIMES = st.none() | st.integers(0, 5)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seen=st.lists(TIMES, max_size=12),
    size=st.integers(1, 5),
    ordering=st.sampled_from(
        ["last_seen", "-last_seen", "name", "-name", "created_at", "-created_at"]
    ),
    inserted=st.lists(st.tuples(TIMES, st.sampled_from("abc")), max_size=6),
)
def test_pages_during_inserts_are_complete_without_duplicates(
    seen, size, ordering, inserted, client, make_rows, organization_a, tenant
):
    start = timezone.now()

    def row(second, name):
        return {
            "name": name,
            "last_seen": None if second is None else start + timedelta(seconds=second),
        }

    with tenant(organization_a):
        Robot.objects.all().delete()
    before = make_rows(row(second, "abc"[n % 3]) for n, second in enumerate(seen))
    waiting = list(inserted)

    def insert():
        if waiting:
            make_rows([row(*waiting.pop())])

    found = list(pages(client, insert, ordering=ordering, page_size=size))
    assert all(len(page) == size for page in found[:-1])
    listed = ids(found)
    assert len(listed) == len(set(listed))
    assert set(listed) >= {str(robot.pk) for robot in before}
    field = ordering.removeprefix("-")
    values = [r[field] for page in found for r in page]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))  # NULLs last, both ways
    assert known == sorted(known, reverse=ordering.startswith("-"))


def test_pages_of_equal_values_are_ordered_by_id(client, make_rows):
    rows = make_rows({} for _ in range(25))  # one transaction: one created_at
    for ordering in ("created_at", "-created_at"):
        listed = ids(pages(client, ordering=ordering, page_size=4))
        assert sorted(listed) == sorted(str(robot.pk) for robot in rows)


def test_pages_during_deletes_skip_no_rows(client, make_rows, organization_a, tenant):
    rows = make_rows({"name": f"{n:02}"} for n in range(9))
    gone = iter(rows[:2])

    def delete():
        with tenant(organization_a):
            Robot.objects.filter(pk=next(gone).pk).delete()

    listed = ids(pages(client, delete, page_size=3))
    assert listed == [str(robot.pk) for robot in rows]


def test_next_page_keeps_filters(client, make_rows):
    make_rows({"name": f"x{n}" if n % 2 else f"y{n}"} for n in range(8))
    listed = [r["name"] for p in pages(client, name="x", page_size=2) for r in p]
    assert listed == ["x1", "x3", "x5", "x7"]


def test_pages_of_status_history_are_complete(client, make_rows, organization_a, tenant):
    (robot,) = make_rows([{}])
    with tenant(organization_a):
        for n in range(12):
            Robot.objects.filter(pk=robot.pk).update(status="idle" if n % 2 else "running")
        count = RobotStatusHistory.objects.filter(robot_id=robot.pk).count()
    path = f"/api/v1/robots/{robot.pk}/status-history"
    for ordering in ("time", "-time"):
        rows = [r for p in pages(client, path=path, ordering=ordering, page_size=5) for r in p]
        times = [row["time"] for row in rows]
        assert len(times) == len(set(times)) == count
        assert times == sorted(times, reverse=ordering == "-time")


@pytest.mark.parametrize("size", ["0", "-1", "1001", "9999999", "x", "1.5", "²", "0001009", " 5"])
def test_page_size_out_of_bounds_gets_400(size, client):
    answer = client.get(ROBOTS, {"page_size": size})
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"page_size"}


@pytest.mark.parametrize("size", ["1", "1000", "007"])
def test_page_size_in_bounds_gets_200(size, client):
    assert client.get(ROBOTS, {"page_size": size}).status_code == 200


@pytest.mark.parametrize("ordering", ["status", "id", "-", "--name", "name,id", "password", "?"])
def test_ordering_unknown_gets_400(ordering, client):
    answer = client.get(ROBOTS, {"ordering": ordering})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"ordering"})


def token(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


ID = "8b6cbd5c-2f60-4f1c-9d4a-0a8b4a3c2f11"


@pytest.mark.parametrize(
    ("ordering", "cursor"),
    [
        ("name", "x"),
        ("name", "äöü"),
        ("name", "AAAA"),
        ("name", token(1)),
        ("name", token([])),
        ("name", token({"a": 1, "b": 2, "c": 3})),
        ("name", token(["name", "a"])),
        ("name", token(["name", "a", None])),
        ("name", token(["name", "a", "no-id"])),
        ("name", token(["name", "a\x00", ID])),
        ("name", token(["-name", "a", ID])),
        ("name", token(["created_at", "2025-01-01T00:00:00Z", ID])),
        ("created_at", token(["created_at", "soon", ID])),
        ("created_at", token(["created_at", 5, ID])),
        ("created_at", token(["created_at", True, ID])),
        ("created_at", token(["created_at", [], ID])),
        ("created_at", token(["created_at", "2025-01-01", ID])),
        ("created_at", token(["created_at", "2025-01-01T00:00:00", ID])),
        ("created_at", token(["created_at", "9999-99-99T00:00:00Z", ID])),
        ("created_at", token(["created_at", "2025-01-01T00:00:00Z", [ID]])),
    ],
)
def test_cursor_invalid_gets_400(ordering, cursor, client, make_rows):
    make_rows([{}])
    answer = client.get(ROBOTS, {"ordering": ordering, "cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert set(answer.json()["errors"]) == {"cursor"}


@pytest.mark.parametrize(
    "last", [None, 1, "x", [], [ID], [ID, "soon"], ["x", "2025-01-01T00:00:00Z"], [ID, None],
             [ID, "2025-01-01T00:00:00"]],
)  # fmt: skip
def test_cursor_invalid_without_id_column_gets_400(last, client, make_rows):
    (robot,) = make_rows([{}])
    cursor = token(["-time", "2025-01-01T00:00:00Z", last])
    answer = client.get(f"/api/v1/robots/{robot.pk}/status-history", {"cursor": cursor})
    assert answer.status_code == 400


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
        | st.datetimes(timezones=st.none() | st.just(timezone.get_default_timezone())).map(str),
        lambda inner: st.lists(inner, max_size=3),
    ),
    last=st.none() | st.just(ID) | st.integers() | st.text(max_size=3),
    ordering=st.sampled_from(["name", "-created_at", "last_seen"]),
)  # fmt: skip
def test_cursor_any_text_gets_200_or_400(value, last, ordering, client):
    answer = client.get(ROBOTS, {"ordering": ordering, "cursor": token([ordering, value, last])})
    assert answer.status_code in {200, 400}
