from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.telemetry.models import RobotTelemetry, TelemetryImport
from apps.telemetry.services.imports import import_run

URL = "/admin/telemetry/imports/"
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
CONTENT = (
    f"timestamp,actual_q_0,Druck [bar]\n{START.timestamp()},0.5,3\n{START.timestamp() + 1},0.75,x\n"
).encode()


@pytest.fixture
def page(organization_a, alice, client_for):
    return client_for(alice)


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name="Welder")


def upload(page, robot, content=CONTENT, name="run.csv"):
    return page.post(URL, {"robot": str(robot.pk), "file": SimpleUploadedFile(name, content)})


def form_values(answer):
    """Return the values of the page's form, as a browser would send them."""
    form = answer.context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: "" if value is None else value for name, value in values.items()}


def test_upload_maps_columns_and_starts(page, robot, organization_a, tenant):
    answer = upload(page, robot)
    assert answer.status_code == 302
    form = page.get(answer["location"])
    text = form.content.decode()
    assert 'value="joint.1.angle"' in text
    assert 'value="druck"' in text
    values = form_values(form)
    assert (values["metric_1"], values["unit_2"]) == ("joint.1.angle", "bar")
    started = page.post(answer["location"], {**values, "start": "1", "metric_2": "pressure.hose"})
    assert started.status_code == 302, started.context["form"].errors
    with tenant(organization_a):
        row = TelemetryImport.objects.get()
    assert "Waiting" in page.get(answer["location"]).content.decode()
    import_run(organization_id=organization_a.id, import_id=row.pk, max_seconds=60)
    done = page.get(answer["location"]).content.decode()
    assert "Completed" in done
    assert "is not a number" in done
    assert f"robot={robot.pk}&amp;metrics=joint.1.angle&amp;metrics=pressure.hose" in done
    with tenant(organization_a):
        points = RobotTelemetry.objects.filter(robot_id=robot.pk).order_by("metric_name", "time")
        assert list(points.values_list("metric_name", "value", "unit")) == [
            ("joint.1.angle", 0.5, "rad"),
            ("joint.1.angle", 0.75, "rad"),
            ("pressure.hose", 3.0, "bar"),
        ]
    assert "run.csv" in page.get(URL).content.decode()


def test_local_start_moves_first_row(page, robot, organization_a, tenant):
    """The organization is in Europe/Berlin; the file is too old to be kept."""
    content = b"time,a\n2001-05-06T07:08:09,1\n2001-05-06T07:08:11,2\n"
    location = upload(page, robot, content)["location"]
    form = page.get(location)
    assert "older points are rejected" in form.content.decode()
    local = START.astimezone().replace(tzinfo=None)
    values = {**form_values(form), "starts_at": f"{local:%Y-%m-%dT%H:%M:%S}", "timezone": "UTC"}
    assert page.post(location, {**values, "start": "1"}).status_code == 302
    with tenant(organization_a):
        row = TelemetryImport.objects.get()
    import_run(organization_id=organization_a.id, import_id=row.pk, max_seconds=60)
    with tenant(organization_a):
        row.refresh_from_db()
        assert row.accepted == 2
        assert row.last_time - row.first_time == timedelta(seconds=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric_1": "Ü"}, "Ü: A metric name must consist of"),
        ({"metric_1": "druck"}, "Two columns have the metric druck."),
        ({"metric_1": "", "metric_2": ""}, "Enter a metric for at least one column."),
        ({"time_format": "elapsed"}, "Enter the time of the first row"),
        ({"timezone": "Mars/Olympus"}, "Timezone: Select a valid choice"),
        ({"time_column": "9"}, "Time column: Select a valid choice"),
        ({"starts_at": "soon"}, "Enter a valid date/time"),
        ({"unit_1": "x" * 21}, "at most 20 characters"),
    ],
)
def test_invalid_format_shows_error(page, robot, changes, message):
    location = upload(page, robot)["location"]
    values = form_values(page.get(location))
    answer = page.post(location, {**values, **changes, "start": "1"})
    assert answer.status_code == 400
    assert message in answer.content.decode().replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The submitted file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not text"),
        (b"time,a\n", "has no rows"),
    ],
)
def test_other_file_shows_error(page, robot, content, message):
    answer = upload(page, robot, content)
    assert answer.status_code == 400
    assert message in answer.content.decode()


def test_too_large_file_shows_limit(page, robot, settings):
    settings.MAX_UPLOAD_BYTES = 1_000
    answer = upload(page, robot, CONTENT * 20)
    assert answer.status_code == 400
    assert "Compress it with gzip, split it" in answer.content.decode()
    settings.MAX_UPLOAD_BYTES = 100
    assert upload(page, robot, CONTENT * 20).status_code == 400


def test_delimiter_can_be_corrected(page, robot):
    location = upload(page, robot, b"time;a,b\n2026-03-01T12:00:00Z;1,5\n")["location"]
    assert page.get(location).context["form"].sample.header == ("time", "a,b")
    assert page.get(location + "?delimiter=,").context["form"].sample.header == ("time;a", "b")


def test_upload_can_be_deleted(page, robot, organization_a, tenant):
    location = upload(page, robot)["location"]
    assert page.post(location, {"cancel": "1"}).status_code == 302
    with tenant(organization_a):
        assert TelemetryImport.objects.get().status == "cancelled"
    assert "was cancelled" in page.get(URL).content.decode()
    again = page.post(location, {"cancel": "1"}, follow=True)
    assert "Reload the page" in again.content.decode()


def test_robot_of_other_organization_is_rejected(page, organization_b, make_robot):
    answer = upload(page, make_robot(organization_b))
    assert answer.status_code == 400
    assert "Select a valid choice" in answer.content.decode()


def test_other_organization_gets_404(page, robot, charlie, client_for):
    location = upload(page, robot)["location"]
    other = client_for(charlie)
    assert other.get(location).status_code == 404
    assert other.post(location, {"cancel": "1"}).status_code == 404


def test_viewer_cannot_import(organization_a, bob, client_for):
    viewer = client_for(bob)
    assert viewer.get(URL).status_code == 403
    assert URL not in viewer.get("/admin/telemetry/").content.decode()


def test_import_list_query_count(page, robot, django_assert_max_num_queries):
    for _ in range(4):
        upload(page, robot)
    with django_assert_max_num_queries(12):
        page.get(URL)
