from __future__ import annotations

from dataclasses import fields
from datetime import time

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.selectors.key_format import generate_key
from apps.organizations.models import Organization
from apps.organizations.models.settings import (
    JSON_SCHEMA,
    LOCALES,
    SETTINGS,
    WEEKDAYS,
    OrganizationSettings,
    parse_settings,
    settings_errors,
)
from apps.organizations.services.organizations import organization_create, organization_update
from tests.support.retention import apply_settings

VALID = {
    "timezone": "Asia/Tokyo",
    "locale": "ja-JP",
    "working_hours": {
        "monday": {"from": "06:00", "to": "14:30"},
        "friday": {"from": "22:00", "to": "06:00"},
    },
    "second_factor_required": True,
    "second_approval_required": False,
    "telemetry_retention_days": 30,
    "status_history_retention_days": 730,
    "offline_after_seconds": 90,
    "maintenance_approval_above_cost": 500,
    "maintenance_approval_types": ["emergency", "upgrade"],
}
# Without the second factor, which the next request would otherwise require.
VALID_WITHOUT_SECOND_FACTOR = {**VALID, "second_factor_required": False}
INVALID = [
    ("timezone", "Mars/Base"),
    ("timezone", None),
    ("timezone", ["Europe/Berlin"]),
    ("locale", "xx"),
    ("locale", {}),
    ("second_approval_required", "yes"),
    ("second_factor_required", "yes"),
    ("second_factor_required", 1),
    ("second_factor_required", None),
    ("telemetry_retention_days", 0),
    ("telemetry_retention_days", 366),
    ("telemetry_retention_days", 30.0),
    ("telemetry_retention_days", True),
    ("telemetry_retention_days", "30"),
    ("status_history_retention_days", 731),
    ("offline_after_seconds", 4),
    ("offline_after_seconds", 86_401),
    ("offline_after_seconds", 30.0),
    ("offline_after_seconds", True),
    ("offline_after_seconds", None),
    ("maintenance_approval_above_cost", -1),
    ("maintenance_approval_above_cost", 100_000_000),
    ("maintenance_approval_above_cost", 1.5),
    ("maintenance_approval_above_cost", True),
    ("maintenance_approval_types", "upgrade"),
    ("maintenance_approval_types", ["upgrade", "upgrade"]),
    ("maintenance_approval_types", ["magic"]),
    ("maintenance_approval_types", [[]]),
    ("working_hours", []),
    ("working_hours", {"someday": {"from": "06:00", "to": "07:00"}}),
    ("working_hours", {"monday": None}),
    ("working_hours", {"monday": {"from": "06:00"}}),
    ("working_hours", {"monday": {"from": "6:00", "to": "07:00"}}),
    ("working_hours", {"monday": {"from": "06:00", "to": "24:00"}}),
    ("working_hours", {"monday": {"from": "06:00", "to": "07:00", "pause": "06:30"}}),
    ("working_hours", {"monday": {"from": "T0600", "to": "07:00"}}),
    ("smtp_password", "hunter2hunter2"),
    ("timezone", "\x00"),
    ("x", 1e999),
]


def test_settings_table_and_dataclass_have_same_keys():
    assert {item.name for item in fields(OrganizationSettings)} == set(SETTINGS)
    assert set(JSON_SCHEMA["properties"]) == set(SETTINGS)


def test_valid_settings_are_parsed():
    assert not settings_errors(VALID)
    parsed = parse_settings(VALID)
    assert (parsed.timezone, parsed.locale, parsed.second_factor_required) == (
        "Asia/Tokyo",
        "ja-JP",
        True,
    )
    assert (parsed.telemetry_retention_days, parsed.status_history_retention_days) == (30, 730)
    friday = parsed.working_hours["friday"]
    assert (friday.start, friday.end) == (time(22), time(6))
    assert set(parsed.working_hours) == {"monday", "friday"}


def test_missing_settings_have_defaults():
    assert parse_settings(None) == parse_settings({}) == OrganizationSettings()
    default = OrganizationSettings()
    assert (default.timezone, default.second_factor_required) == ("UTC", False)
    assert (default.telemetry_retention_days, default.status_history_retention_days) == (365, 730)
    assert default.locale in LOCALES


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_invalid_values_are_reported_by_key(name, value):
    errors = settings_errors({**VALID, name: value})
    assert isinstance(errors, dict)
    assert list(errors) == [name]


@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_settings_must_be_an_object(value):
    assert isinstance(settings_errors(value), str)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
HOURS = st.dictionaries(st.sampled_from(["from", "to"]), VALUES | st.just("06:00"), max_size=2)
DAYS = st.dictionaries(st.sampled_from(WEEKDAYS[:3]), VALUES | HOURS, max_size=2)


@given(st.dictionaries(st.sampled_from([*SETTINGS, "other"]), VALUES | HOURS | DAYS, max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_parse_settings_accepts_any_stored_value(stored):
    """Invalid values, of an older row or written in psql, count as not set."""
    parsed, errors = parse_settings(stored), settings_errors(stored)
    for name in SETTINGS:
        if name not in stored or name in errors:
            assert getattr(parsed, name) == getattr(OrganizationSettings(), name)


@pytest.mark.parametrize("name", [*SETTINGS, "working_hours.monday", "description"])
def test_secrets_are_rejected_and_not_repeated(name):
    key, _, part = name.partition(".")
    secret = generate_key()
    errors = settings_errors({key: {part: secret} if part else secret})
    assert errors
    assert secret not in str(errors)


def test_services_reject_invalid_settings(organization_a, tenant):
    with pytest.raises(ValidationError) as raised:
        organization_create(name="X", slug="x", settings={"time_zone": "UTC"})
    assert "time_zone: Unknown setting" in raised.value.message_dict["settings"][0]
    with tenant(organization_a), pytest.raises(ValidationError) as raised:
        organization_update(
            organization_a, settings={"timezone": "x", "working_hours": {"monday": 1}}
        )
    lines = raised.value.message_dict["settings"]
    assert [line.split(" ")[0] for line in lines] == ["timezone:", "working_hours:"]
    assert "monday: " in lines[1]
    with tenant(organization_a):
        assert Organization.objects.get().settings == {"timezone": "Europe/Berlin"}


def test_invalid_stored_settings_do_not_break_pages(organization_a, tenant, alice, client_for):
    with tenant(organization_a), connection.cursor() as cursor:
        cursor.execute("""UPDATE organizations SET settings = '{"timezone": "X/Y", "old": 1}'""")
    client = client_for(alice)
    assert client.get("/admin/").status_code == 200
    url = f"/api/v1/organizations/{organization_a.pk}"
    response = client.patch(url, {"name": "Acme 2"}, content_type="application/json")
    assert response.status_code == 200
    assert client.get(url).json()["settings"] == {"timezone": "X/Y", "old": 1}


@pytest.fixture
def short_retention(organization_a, tenant):
    """Store the shortest retention: a longer one takes effect at once."""
    with tenant(organization_a):
        apply_settings(organization_a, {"timezone": "Europe/Berlin", "telemetry_retention_days": 1})


def test_api_validates_settings_by_key(organization_a, short_retention, alice, client_for):
    client, url = client_for(alice), f"/api/v1/organizations/{organization_a.pk}"
    response = client.patch(
        url, {"settings": VALID_WITHOUT_SECOND_FACTOR}, content_type="application/json"
    )
    assert (response.status_code, response.json()["settings"]) == (200, VALID_WITHOUT_SECOND_FACTOR)
    for name, value in INVALID[:-2]:
        if value is None and name in SETTINGS:
            continue  # resets the setting
        body = {"settings": {**VALID_WITHOUT_SECOND_FACTOR, name: value}}
        response = client.patch(url, body, content_type="application/json")
        assert (response.status_code, list(response.json()["errors"]["settings"])) == (400, [name])
    for value in (None, "x", []):
        response = client.patch(url, {"settings": value}, content_type="application/json")
        assert response.status_code == 400
        assert list(response.json()["errors"]) == ["settings"]
    assert client.get(url).json()["settings"] == VALID_WITHOUT_SECOND_FACTOR


def test_api_changes_named_settings_only(organization_a, alice, client_for, tenant):
    """A client that sets one setting does not reset the timezone of all pages."""
    client, url = client_for(alice), f"/api/v1/organizations/{organization_a.pk}"

    def patch(**settings):
        answer = client.patch(url, {"settings": settings}, content_type="application/json")
        assert answer.status_code == 200, answer.content
        return answer.json()["settings"]

    hours = {"monday": {"from": "06:00", "to": "22:00"}}
    with tenant(organization_a):
        apply_settings(organization_a, {"timezone": "Europe/Berlin", "working_hours": hours})
    kept = {"timezone": "Europe/Berlin", "working_hours": hours}
    assert patch(locale="de-DE") == {**kept, "locale": "de-DE"}
    assert patch() == {**kept, "locale": "de-DE"}
    assert patch(locale=None, offline_after_seconds=90) == {**kept, "offline_after_seconds": 90}
    assert patch(working_hours={}) == {
        "timezone": "Europe/Berlin", "working_hours": {}, "offline_after_seconds": 90,
    }  # fmt: skip
    unknown = client.patch(url, {"settings": {"x": None}}, content_type="application/json")
    assert (unknown.status_code, list(unknown.json()["errors"]["settings"])) == (400, ["x"])


def test_change_of_settings_drops_invalid_stored_ones(organization_a, tenant):
    with tenant(organization_a):
        Organization.objects.update(settings={"timezone": "X/Y", "old": 1, "locale": "de-DE"})
        row = organization_update(
            Organization.objects.get(), settings_changes={"offline_after_seconds": 60}
        )
    assert row.settings == {"locale": "de-DE", "offline_after_seconds": 60}


def test_schema_describes_settings(client_for, alice):
    document = client_for(alice).get("/api/v1/schema?format=json").json()
    described = document["components"]["schemas"]["Organization"]["properties"]["settings"]
    assert set(described["properties"]) == set(SETTINGS)
    assert described["additionalProperties"] is False


def form_of(page):
    """Return the data that a browser would submit for an unchanged form."""
    form = page.context["adminform"].form
    values = {}
    for name in form.fields:
        bound = form[name]
        if name in WEEKDAYS:
            hours = bound.value() or {}
            values |= {f"{name}_{end}": hours.get(end, "") for end in ("from", "to")}
        elif isinstance(bound.value(), bool):
            values |= {name: "on"} if bound.value() else {}
        else:
            values[name] = "" if bound.value() is None else bound.value()
    return values


def test_admin_edits_every_setting(organization_a, short_retention, alice, client_for, tenant):
    client = client_for(alice)
    url = reverse("admin:organizations_organization_change", args=[organization_a.pk])
    values = form_of(client.get(url))
    assert values["timezone"] == "Europe/Berlin"
    # Without changes nothing is written.
    assert client.post(url, values).status_code == 302
    with tenant(organization_a):
        stored = Organization.objects.get().settings
    assert stored == {"timezone": "Europe/Berlin", "telemetry_retention_days": 1}

    values |= {
        "timezone": "Asia/Tokyo",
        "locale": "ja-JP",
        "telemetry_retention_days": "30",
        "status_history_retention_days": "730",
        "offline_after_seconds": "90",
        "maintenance_approval_above_cost": "500",
        "maintenance_approval_types": ["emergency", "upgrade"],
        "monday_from": "06:00",
        "monday_to": "14:30",
        "friday_from": "22:00",
        "friday_to": "06:00",
    }
    assert client.post(url, values).status_code == 302
    with tenant(organization_a):
        stored = Organization.objects.get().settings
    unset = {"second_factor_required": False, "second_approval_required": False}
    assert {**stored, **unset} == VALID_WITHOUT_SECOND_FACTOR
    shown = form_of(client.get(url))
    assert {name: str(value) for name, value in shown.items()} == {
        **{name: str(value) for name, value in values.items()}
    }

    cleared = {**shown, "telemetry_retention_days": "", "friday_from": "", "friday_to": ""}
    cleared["second_factor_required"] = "on"
    assert client.post(url, cleared).status_code == 302
    with tenant(organization_a):
        stored = Organization.objects.get().settings
    assert "telemetry_retention_days" not in stored
    assert stored["second_factor_required"] is True
    assert list(stored["working_hours"]) == ["monday"]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("timezone", "Mars/Base", "timezone"),
        ("locale", "xx", "locale"),
        ("telemetry_retention_days", "366", "telemetry_retention_days"),
        ("status_history_retention_days", "0", "status_history_retention_days"),
        ("monday_from", "06:00", "monday"),
        ("monday_to", "x", "monday"),
    ],
)
def test_admin_reports_invalid_fields(
    name, value, field, organization_a, alice, client_for, tenant
):
    client = client_for(alice)
    url = reverse("admin:organizations_organization_change", args=[organization_a.pk])
    page = client.post(url, {**form_of(client.get(url)), name: value})
    assert page.status_code == 200
    assert list(page.context["adminform"].form.errors) == [field]
    with tenant(organization_a):
        assert Organization.objects.get().settings == {"timezone": "Europe/Berlin"}


def test_viewer_cannot_change(organization_a, bob, client_for):
    client = client_for(bob)
    url = reverse("admin:organizations_organization_change", args=[organization_a.pk])
    text = client.get(url).content.decode()
    assert "Europe/Berlin" in text
    assert client.post(url, {"timezone": "UTC"}).status_code == 403
    response = client.patch(
        f"/api/v1/organizations/{organization_a.pk}",
        {"settings": {"timezone": "UTC"}},
        content_type="application/json",
    )
    assert response.status_code == 403
    assert Client().get(url).status_code == 302
