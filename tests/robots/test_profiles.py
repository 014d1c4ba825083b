from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.robots.choices import CommandType, ConnectionProtocol, ConnectionSecret, Vendor
from apps.robots.models import Robot
from apps.robots.protocols.settings_schema import configuration_errors
from apps.robots.selectors.profiles import (
    VENDOR_PROFILES,
    catalogue_configuration,
    catalogue_model,
    supported_command_types,
    vendor_profile,
)
from apps.telemetry.choices import metric_info

PROFILES = list(VENDOR_PROFILES.values())
MODELS = [(profile, model) for profile in PROFILES for model in profile.models]


def test_every_vendor_has_a_profile():
    assert set(VENDOR_PROFILES) == set(Vendor.values)
    assert [p.name for p in PROFILES] == [Vendor(p.vendor).label for p in PROFILES]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.vendor)
def test_profile_is_complete(profile):
    # A stop must be possible with every robot.
    assert {CommandType.EMERGENCY_STOP, CommandType.STOP} <= profile.command_types
    assert profile.models or profile.vendor == Vendor.CUSTOM
    assert len(set(profile.protocols)) == len(profile.protocols) > 0
    assert set(profile.protocols) <= set(ConnectionProtocol)
    assert 0 < len(set(profile.secrets)) == len(profile.secrets)
    assert set(profile.secrets) <= set(ConnectionSecret)
    assert all(e.port is None or 0 < e.port < 65536 for e in profile.endpoints)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.vendor)
def test_profile_metrics_have_canonical_names_and_units(profile):
    names = [metric.name for metric in profile.metrics]
    assert len(set(names)) == len(names) > 0
    for metric in profile.metrics:
        known = metric_info(metric.name)
        assert (known.label != metric.name, known.unit) == (True, metric.unit)
        if metric.minimum is not None and metric.maximum is not None:
            assert metric.minimum < metric.maximum


@pytest.mark.parametrize(("profile", "model"), MODELS, ids=lambda x: getattr(x, "name", ""))
def test_catalogue_model_is_found_and_valid(profile, model):
    assert catalogue_model(profile.vendor, model.name) is model
    found = catalogue_configuration(profile.vendor, model.name)
    assert configuration_errors(found) == {}
    assert found  # every entry states something
    assert "payload" not in found or found["payload"] > 0


@given(st.sampled_from(MODELS), st.data())
def test_catalogue_model_ignores_case_and_punctuation(entry, data):
    profile, model = entry
    text = "".join(
        data.draw(st.sampled_from([c, c.upper(), c.lower(), f" {c}", f"{c}-"])) for c in model.name
    )
    assert catalogue_model(profile.vendor, text) is model


@given(st.text(max_size=50), st.none() | st.text(max_size=30))
def test_unknown_vendor_has_the_generic_profile(vendor, model):
    if vendor not in Vendor.values:
        assert vendor_profile(vendor).vendor == Vendor.CUSTOM
        assert catalogue_configuration(vendor, model) == {}


def test_supported_command_types():
    assert supported_command_types(Robot(vendor="unheard of")) == set(CommandType)
    vehicle = supported_command_types(Robot(vendor=Vendor.MIR))
    assert CommandType.MOVE_TO_POSITION in vehicle
    assert CommandType.CALIBRATE not in vehicle


def test_vendor_profiles_api_lists_all(bob, client_for):
    answer = client_for(bob).get("/api/v1/vendor-profiles")
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [row["vendor"] for row in results] == list(VENDOR_PROFILES)
    (vendor,) = (row for row in results if row["vendor"] == "universal_robots")
    expected = {"name": "UR10e", "axes": 6, "payload_kg": 12.5, "reach_mm": 1300}
    assert expected in vendor["models"]
    assert vendor["command_types"][0] == "start"
    assert len(json.dumps(results)) < 60_000
    assert client_for(bob).get("/api/v1/vendor-profiles?page=2").status_code == 400
    assert client_for(bob).post("/api/v1/vendor-profiles").status_code == 403
