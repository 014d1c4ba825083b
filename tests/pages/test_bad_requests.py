"""Malformed requests: no page fails with a server error or reveals a secret."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.alerts.models import Alert
from apps.maintenance.models import MaintenanceTask
from apps.organizations.models import Facility, PlatformOrganization
from apps.robots.models import Robot
from tests.conftest import PASSWORD
from urfmp.common.admin import BlankJsonField
from urfmp.common.admin.lists import filter_parameters
from urfmp.common.rendering import formats, html

pytestmark = pytest.mark.django_db

OURS = [model for model in admin.site._registry if model.__module__.startswith("apps.")]
REJECTED = {302, 400}


def url(model, view, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def field_lookups(model):
    """Yield every column with every lookup, and every column behind a relation."""
    ends = ("", "__exact", "__startswith", "__gte", "__regex", "__in", "__isnull")
    for field in model._meta.fields:
        yield from (f"{field.name}{end}" for end in ends)
        yield from (f"{field.attname}{end}" for end in ends)
        if field.is_relation:
            for column in field.related_model._meta.fields:
                yield from (f"{field.name}__{column.name}{end}" for end in ends)


# List filters in the query string


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_list_accepts_only_its_own_filters(fleet, alice, root, client_for, rf, tenant, model):
    # Only platform staff may open the list of organizations.
    user = root if model is PlatformOrganization else alice
    client = client_for(user)
    listed = admin.site.get_model_admin(model)
    request = rf.get("/")
    request.user = user
    with tenant(fleet.a.organization):
        filters = listed.get_list_filter(request)
    offered = set().union(*(filter_parameters(model, item) for item in filters))

    closed = [lookup for lookup in field_lookups(model) if lookup not in offered]
    assert closed
    with tenant(fleet.a.organization):
        assert not [lookup for lookup in closed if listed.lookup_allowed(lookup, "a", request)]
    # Request the list once for each column.
    for column in model._meta.fields:
        lookup = f"{column.name}__startswith"
        assert client.get(url(model, "changelist"), {lookup: "a"}).status_code in REJECTED
    # Offered filters return a page for any value.
    for parameter in offered:
        for value in ("a", "1", "99999-01-01", "0001-01-01", "[", "(", "1" * 5000):
            response = client.get(url(model, "changelist"), {parameter: value})
            assert response.status_code in {200, 302}, (parameter, value)


@pytest.mark.parametrize(
    "address",
    [
        "robots/robot/?connection_config__password__startswith=Z",
        "accounts/user/?password__startswith=argon2",
        "accounts/usersession/?session_token__gte=0",
        "accounts/usersession/?user__password__startswith=argon2",
        "accounts/apikey/?key_hash__startswith=0",
        "robots/robot/?name__regex=(",
        "robots/robot/?created_at__year=99999",
        "robots/robot/?id=1&e=1",
    ],
)
def test_filter_on_secret_column_is_rejected(fleet, alice, client_for, address):
    response = client_for(alice).get(f"/admin/{address}")

    assert response.status_code == 400
    assert b"Bad request" in response.content


def test_linked_filters_work(fleet, alice, client_for):
    client = client_for(alice)

    robots = client.get(url(Robot, "changelist"), {"status__exact": "offline"})
    alerts = client.get(
        url(Alert, "changelist"),
        {
            "state": "open", "robot__id__exact": str(fleet.a.robot.pk), "severity__exact": "error",
            "created_at_from_0": "2020-01-01", "created_at_from_1": "00:00:00",
            "created_at_to_0": "", "created_at_to_1": "", "type__exact": "", "q": "", "o": "1",
        },
    )  # fmt: skip

    assert robots.status_code == 200
    assert [alert.pk for alert in alerts.context["cl"].result_list] == [fleet.a.alert.pk]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "99999-01-01", "x"])
def test_list_with_invalid_time_range_redirects(fleet, alice, client_for, day):
    query = {"created_at_from_0": day, "created_at_from_1": "23:59:59"}

    assert client_for(alice).get(url(Alert, "changelist"), query)["Location"].endswith("?e=1")


def test_time_range_filter_uses_organization_timezone(fleet, alice, client_for):
    client = client_for(alice)
    now = timezone.now()
    before, after = (
        (now + timedelta(minutes=n)).astimezone(ZoneInfo("Europe/Berlin")) for n in (-5, 5)
    )
    ends = [f"{moment:%Y-%m-%d} {moment:%H:%M:%S}".split() for moment in (before, after)]

    def found(start, end):
        query = {
            f"created_at_{name}_{number}": part
            for name, parts in (("from", start), ("to", end))
            for number, part in enumerate(parts)
        }
        page = client.get(url(Alert, "changelist"), query)
        return [alert.pk for alert in page.context["cl"].result_list]

    assert found(ends[0], ends[1]) == [fleet.a.alert.pk]
    assert found(ends[1], ("", "")) == []
    assert found(("", ""), ends[0]) == []


def test_autocomplete_for_any_field_does_not_fail(fleet, alice, client_for):
    client = client_for(alice)

    for model in apps.get_models():
        for field in model._meta.get_fields():
            query = {
                "app_label": model._meta.app_label, "model_name": model._meta.model_name,
                "field_name": field.name, "term": "(",
            }  # fmt: skip
            status = client.get("/admin/autocomplete/", query).status_code
            assert status in {200, 403, 404}, (model, field)


# NUL


@pytest.mark.parametrize(
    "address",
    [
        "robots/robot/?facility=%00",
        "robots/robot/?vendor=%00",
        "robots/robot/?status__exact=%00",
        "robots/robot/?q=%00",
        "robots/robot/?%00=1",
        "robots/robot/%00/change/",
        "audit/auditlog/?resource=%00&action__icontains=%00",
        "search/?s=%00",
        "autocomplete/?term=%00&app_label=accounts&model_name=apikey&field_name=robot",
        "maintenance/maintenancetask/add/?robot=%00",
        "status-history/?robot=%00",
        "telemetry/?metrics=%00",
    ],
)
def test_nul_in_url_is_rejected(fleet, alice, client_for, client, address):
    response = client_for(alice).get(f"/admin/{address}")

    assert response.status_code == 400
    assert b"NUL character" in response.content
    assert client.get(f"/admin/{address}").status_code == 400


def test_nul_in_form_is_rejected(fleet, alice, client_for):
    client = client_for(alice)
    form = {"title": "x\x00", "type": "inspection", "priority": "low"}

    assert client.post(url(MaintenanceTask, "add"), form).status_code == 400
    change = url(MaintenanceTask, "change", fleet.a.task.pk)
    assert client.post(change, {**form, "title": "x", "robot": "\x00"}).status_code == 400
    act = url(Alert, "act", fleet.a.alert.pk, "resolve")
    assert client.post(act, {"next": "/admin/\x00"}).status_code == 400


# Initial values and submitted values of forms


def test_form_takes_initial_values_from_query(fleet, alice, client_for):
    client = client_for(alice)
    good = {
        "robot": str(fleet.a.robot.pk), "scheduled_at": "2031-05-06T07:08", "title": "Planned",
        "priority": "high",
    }  # fmt: skip

    page = client.get(url(MaintenanceTask, "add"), good)
    form = page.context["adminform"].form

    assert form["robot"].value() == fleet.a.robot.pk
    assert form["title"].value() == "Planned"
    assert b'value="2031-05-06"' in page.content
    assert b'value="07:08:00"' in page.content
    foreign = client.get(url(MaintenanceTask, "add"), {"robot": str(fleet.b.robot.pk)})
    assert b"secret" not in foreign.content
    assert foreign.context["adminform"].form["robot"].value() is None


@pytest.mark.parametrize(
    "value", ["x", "", "[", "1" * 5000, "9999-12-31T23:59", "0001-01-01 00:00"]
)
@pytest.mark.parametrize("model", [MaintenanceTask, Robot, Facility, ApiKey])
def test_form_opens_with_any_query(fleet, alice, client_for, model, value):
    client = client_for(alice)
    page = client.get(url(model, "add"))
    names = [*page.context["adminform"].form.fields, "organization", "id", "nonsense"]

    for name in names:
        assert client.get(url(model, "add"), {name: value}).status_code == 200, name
    assert client.get(url(model, "add"), dict.fromkeys(names, value)).status_code == 200


@pytest.mark.parametrize("value", ["x", "1", "[]", "00000000-0000-0000-0000-000000000000"])
def test_invalid_id_is_rejected_by_form(fleet, alice, client_for, tenant, value):
    client = client_for(alice)
    task = fleet.a.task
    form = {"title": "Changed", "type": "inspection", "priority": "low"}

    for address in (url(MaintenanceTask, "change", task.pk), url(MaintenanceTask, "add")):
        for name in ("robot", "assigned_to"):
            response = client.post(address, {**form, name: value})
            assert response.status_code == 200
            assert name in response.context["adminform"].form.errors
    key = {"name": "x", "permissions": ["telemetry:write"], "robot": value}
    assert "robot" in client.post(url(ApiKey, "add"), key).context["adminform"].form.errors
    with tenant(fleet.a.organization):
        task.refresh_from_db()
        assert task.title == "open task"
        assert task.robot_id == fleet.a.robot.pk


def test_bulk_action_rejects_invalid_ids(fleet, alice, client_for, tenant):
    form = {"action": "acknowledge", "_selected_action": ["x", str(fleet.a.alert.pk)], "index": "0"}

    page = client_for(alice).post(url(Alert, "changelist"), form, follow=True)

    assert page.status_code == 200
    assert b"Select items from the list." in page.content
    with tenant(fleet.a.organization):
        fleet.a.alert.refresh_from_db()
        assert not fleet.a.alert.is_acknowledged


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, '{"a":' * 100_000, "1" * 5_000, '"\\ud800"', "[" * 900 + "]" * 900,
        "NaN", "Infinity", "1e999", '"\\u0000"', "{", "'x'", '{"a": 1} x',
    ],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_invalid_json_is_rejected_by_form(fleet, alice, client_for, tenant, text):
    client = client_for(alice)
    form = {"name": "JSON", "permissions": ["telemetry:write"], "line_protocol_mapping": text}

    response = client.post(url(ApiKey, "add"), form)

    assert response.status_code == 200
    assert "line_protocol_mapping" in response.context["adminform"].form.errors
    assert text[:8].replace('"', "&quot;").replace("'", "&#x27;") in response.content.decode()
    query = {"line_protocol_mapping": text[:1000]}
    assert client.get(url(ApiKey, "add"), query).status_code in {200, 400}
    with tenant(fleet.a.organization):
        assert not ApiKey.objects.filter(name="JSON").exists()


def test_json_is_stored_unchanged(fleet, alice, client_for, tenant):
    client = client_for(alice)

    for name, text, stored in (
        ("One", '{"dropped_tags": ["host"]}', {"dropped_tags": ["host"]}),
        ("Two", "", {}),
    ):
        form = {"name": name, "permissions": ["telemetry:write"], "line_protocol_mapping": text}
        client.post(url(ApiKey, "add"), {**form, "rate_limit": "100"})
        with tenant(fleet.a.organization):
            assert ApiKey.objects.get(name=name).line_protocol_mapping == stored
    assert BlankJsonField().clean("100000000000000000000") == 10**20
    assert not BlankJsonField(required=False).has_changed(None, "")
    assert not BlankJsonField().has_changed({"a": 1, "b": 2}, '{"b": 2, "a": 1}')
    assert BlankJsonField().has_changed({"a": 1}, "[" * 100_000)


# Times


@pytest.mark.parametrize(("day", "hour"), [("0001-01-01", "00:00:00"), ("9999-12-31", "23:59:59")])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Lima", "Asia/Tokyo"])
def test_time_at_calendar_limits_is_a_form_error(
    make_organization, make_user, make_facility, client_for, tenant, day, hour, zone
):
    organization = make_organization("edge", settings={"timezone": zone})
    client = client_for(make_user(organization))
    task = {
        "title": "Edge", "type": "inspection", "priority": "low", "due_at_0": day, "due_at_1": hour,
    }  # fmt: skip
    key = {
        "name": "edge", "permissions": ["telemetry:write"], "rate_limit": "10",
        "expires_at_0": day, "expires_at_1": hour,
    }  # fmt: skip

    for model, form, name in ((MaintenanceTask, task, "due_at"), (ApiKey, key, "expires_at")):
        response = client.post(url(model, "add"), form)
        assert response.status_code == 200
        assert list(response.context["adminform"].form.errors) == [name]
        assert day in response.content.decode()
    with tenant(organization):
        assert not MaintenanceTask.objects.filter(title="Edge").exists()
    moment = f"{day}T{hour}"
    own = {"range": "custom", "start": "0001-01-01T00:00", "end": moment}
    assert client.get("/admin/telemetry/", own).status_code == 200
    for offset in ("", "+14:00", "-12:00"):
        query = {"before": f"{moment}{offset}", "days": ""}
        assert client.get("/admin/status-history/", query).status_code == 200


@pytest.mark.parametrize("ends", [(1, 1, 1, 0, 0), (9999, 12, 31, 23, 59)])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima", "UTC"])
@pytest.mark.parametrize("hours", [14, 0, -12])
def test_any_time_is_rendered(ends, zone, hours):
    moment = datetime(*ends, tzinfo=fixed(timedelta(hours=hours)))

    with timezone.override(ZoneInfo(zone)):
        assert "<time" in html.datetime_html(moment)
        assert "<time" in html.relative_time_html(moment)
        assert formats.format_datetime(moment)


def test_time_outside_timezone_range_is_rendered_in_utc():
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert (
            formats.format_datetime(datetime(9999, 12, 31, 23, 59, tzinfo=UTC))
            == "31 Dec 9999, 23:59"
        )
        assert (
            formats.format_datetime(datetime(2026, 1, 1, 23, 0, tzinfo=UTC)) == "2 Jan 2026, 08:00"
        )


# Redirects


@pytest.mark.parametrize(
    "wanted",
    [
        "http://testserver//evil.example/x", "http://testserver///evil.example",
        "http://testserver/\\evil.example", "//evil.example", "http://testserver/\t/evil.example",
        "http:///evil.example", "javascript:alert(1)", "http://testserver", "x", "/%2F/..//x",
    ],
)  # fmt: skip
def test_action_never_redirects_to_other_host(fleet, alice, client_for, wanted):
    act = url(Alert, "act", fleet.a.alert.pk, "resolve")
    client = client_for(alice)

    asked = client.get(act, headers={"referer": wanted}).content.decode()
    location = client.post(act, {"next": wanted})["Location"]

    assert "evil.example" not in asked
    assert location.startswith("/admin/") or wanted == "/%2F/..//x"
    assert not location.startswith(("//", "/\\"))


# Keys


def test_api_key_does_not_cause_redirect_loop(organization_a, alice, make_key, client):
    headers = {"x-api-key": make_key(organization_a, ["robots:read"])}

    home = client.get("/admin/", headers=headers)
    page = client.get("/admin/login/?next=/admin/", headers=headers)
    form = {"email": "alice@acme.example", "password": PASSWORD}
    refused = client.post("/admin/login/", form, headers=headers)

    assert home["Location"] == "/admin/login/?next=/admin/"
    assert page.status_code == 200
    assert b'id="sign-in"' in page.content
    assert refused.status_code == 400
    assert b"API key" in refused.content
    assert client.post("/admin/logout/", headers=headers).status_code == 302
    assert client.post("/admin/login/", form).status_code == 302


def test_third_party_lists_are_denied_to_all(fleet, alice, root, client_for):
    others = [model for model in admin.site._registry if model not in OURS]

    for user in (alice, root):
        client = client_for(user)
        for model in others:
            for query in ({}, {"name__startswith": "a"}, {"id__gte": "0"}):
                assert client.get(url(model, "changelist"), query).status_code == 403
