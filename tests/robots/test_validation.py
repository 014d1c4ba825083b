from __future__ import annotations

import json
import math

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.robots.models import Robot
from apps.robots.protocols.settings_schema import configuration_errors
from apps.robots.services.robots import robot_register, robot_update
from apps.robots.services.validation import location_errors
from urfmp.common.db.json_values import json_storage_error

VALID_CONFIGURATIONS = [
    {},
    {"axes": 6, "payload": 3, "reach": 500.5},
    {"axes": 1}, {"axes": 12}, {"axes": 6.0},
    {"capabilities": ["welding", "transport"]},
    {"customSettings": {"a": [1, {"b": None}]}},
]  # fmt: skip
INVALID_CONFIGURATIONS = [
    None, [], "x", 1, {"axes": 0}, {"axes": 13}, {"axes": 6.5}, {"axes": "6"}, {"axes": True},
    {"axes": math.nan}, {"axes": 10**400}, {"payload": -1}, {"payload": math.inf},
    {"payload": None}, {"reach": "far"}, {"reach": 1e7}, {"capabilities": "welding"},
    {"capabilities": ["flying"]}, {"capabilities": [{}]}, {"customSettings": []}, {"colour": "red"},
]  # fmt: skip
VALID_LOCATIONS = [
    None, {}, {"area": "A", "cell": ""}, {"facility": None},
    {"coordinates": {"x_m": 1, "y_m": -2.5}},
    {"coordinates": {"x_m": 1, "y_m": 2, "theta_rad": 3.1, "map_id": "m"}},
    {"coordinates": {"latitude": 48.1, "longitude": 11.6}}, {"coordinates": None},
]  # fmt: skip
INVALID_LOCATIONS = [
    [], "x", {"room": 1}, {"area": 1}, {"cell": "x" * 256}, {"facility": 7}, {"facility": "none"},
    {"coordinates": {}}, {"coordinates": []}, {"coordinates": {"x_m": 1}},
    {"coordinates": {"x_m": 1, "y_m": "2"}}, {"coordinates": {"latitude": 91, "longitude": 0}},
    {"coordinates": {"latitude": 1}}, {"coordinates": {"latitude": 1, "longitude": 1, "x_m": 1}},
    {"coordinates": {"x_m": 0, "y_m": 10**400}},
    {"coordinates": {"x_m": 1, "y_m": 2, "map_id": {"a": 1}}},
]  # fmt: skip


@pytest.mark.parametrize("value", VALID_CONFIGURATIONS)
def test_valid_configuration_has_no_errors(value):
    assert configuration_errors(value) == {}


@pytest.mark.parametrize("value", INVALID_CONFIGURATIONS)
def test_invalid_configuration_has_errors(value):
    assert configuration_errors(value)


@pytest.mark.parametrize("value", VALID_LOCATIONS)
def test_valid_location_has_no_errors(value, organization_a, tenant):
    with tenant(organization_a):
        assert location_errors(value) == {}


@pytest.mark.parametrize("value", INVALID_LOCATIONS)
def test_invalid_location_has_errors(value, organization_a, tenant):
    with tenant(organization_a):
        assert location_errors(value)


NAMES = st.sampled_from(
    ["axes", "payload", "reach", "capabilities", "customSettings", "facility", "area", "cell",
     "coordinates", "x_m", "y_m", "latitude", "longitude", "map_id"]
) | st.text(max_size=5)  # fmt: skip
# Any result of json.loads, which accepts more than JSON: NaN, NUL, lone surrogates.
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, "\x00", "\ud800", "welding"])
    | st.floats()
    | st.text(st.characters(), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "axes": ANYTHING | st.integers(1, 12),
        "payload": ANYTHING | st.floats(0, 100),
        "capabilities": ANYTHING | st.just(["welding"]),
        "customSettings": st.dictionaries(NAMES, ANYTHING, max_size=3),
        "facility": ANYTHING,
        "coordinates": st.dictionaries(NAMES, ANYTHING, max_size=3),
    },
)


def without_integers(value):
    """Return a value with floats alone: PostgreSQL stores 1e17 in JSON as an integer."""
    if isinstance(value, dict):
        return {name: without_integers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_integers(part) for part in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_number else value


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(configuration=SHAPED | ANYTHING, location=SHAPED | ANYTHING | st.none())
@example(configuration={"customSettings": {"x": math.nan}}, location=None)
@example(configuration={"customSettings": {"\x00": 1}}, location=None)
@example(configuration={"customSettings": {"x": "\ud800"}}, location=None)
@example(configuration={}, location={"facility": "\x00"})
@example(configuration={"payload": 10**400}, location={})
@example(configuration={"customSettings": {"x": 5.436312966098698e16}}, location={})
@example(configuration={}, location={"coordinates": {"x_m": math.nan, "y_m": 0}})
def test_register_stores_or_rejects_any_value(configuration, location, organization_a, tenant):
    with tenant(organization_a), transaction.atomic():
        try:
            robot = robot_register(
                organization_id=organization_a.id,
                name="x",
                vendor="abb",
                configuration=configuration,
                location=location,
            )
        except ValidationError as error:
            parts = {name.split(".")[0] for name in error.message_dict}
            assert parts <= {"configuration", "location"}
        else:
            stored = Robot.objects.get(pk=robot.pk)
            found = [without_integers(stored.configuration), without_integers(stored.location)]
            assert found == [without_integers(configuration), without_integers(location)]
        transaction.set_rollback(True)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=ANYTHING)
def test_api_accepts_or_rejects_any_json(
    value, organization_a, alice, client_for, make_robot, shared
):
    """No body leads to a 500, including NaN and lone surrogates."""
    client, robot = shared
    body = json.dumps({"configuration": {"customSettings": {"x": value}}, "location": value})
    response = client.patch(f"/api/v1/robots/{robot.pk}", body, content_type="application/json")
    assert response.status_code in {200, 400}


@pytest.fixture
def shared(organization_a, alice, client_for, make_robot):
    return client_for(alice), make_robot(organization_a)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_json_depth_is_limited(organization_a, make_robot, tenant):
    assert json_storage_error(nested(40)) is None
    assert json_storage_error(nested(60))
    assert json_storage_error({"a": object()})
    robot = make_robot(organization_a)
    with tenant(organization_a), pytest.raises(ValidationError):
        robot_update(robot, configuration={"customSettings": {"x": nested(5000 // 100)}})
