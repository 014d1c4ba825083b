"""The type of a command must be one that the robot's vendor supports."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from apps.robots.choices import CommandType
from apps.robots.models import RobotCommand
from apps.robots.selectors.profiles import VENDOR_PROFILES


@pytest.mark.parametrize("vendor", ["mir", "otto"])
def test_unsupported_type_is_rejected_and_not_stored(
    vendor, organization_a, make_commanded, tenant
):
    commanded = make_commanded(organization_a, vendor=vendor, model="", configuration={})
    profile = VENDOR_PROFILES[vendor]
    for type_ in set(CommandType) - profile.command_types:
        with pytest.raises(ValidationError) as caught:
            commanded.create(type_)
        (message,) = caught.value.message_dict["type"]
        assert f"Robots of {profile.name} do not support {type_.label}." in message
        assert "Move to position" in message
    with tenant(organization_a):
        assert not RobotCommand.objects.exists()
    assert commanded.create("pause").type == "pause"


def test_unknown_vendor_supports_every_type(organization_a, make_commanded):
    commanded = make_commanded(organization_a, vendor="acme", model="", configuration={})
    assert commanded.create("calibrate").type == "calibrate"
