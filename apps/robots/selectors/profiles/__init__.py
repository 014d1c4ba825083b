"""Vendor profiles: model catalogue, command types, metrics and connection settings.

One module for each vendor. A vendor without a module has the generic profile.
"""

from __future__ import annotations

from typing import Any

from apps.robots.choices import CommandType, Vendor
from apps.robots.models import Robot
from apps.robots.selectors.profiles import (
    abb,
    doosan,
    fanuc,
    generic,
    kawasaki,
    kuka,
    mir,
    otto,
    staubli,
    techman,
    universal_robots,
    yaskawa,
)
from apps.robots.selectors.profiles.definitions import RobotModel, VendorProfile

VENDOR_PROFILES: dict[str, VendorProfile] = {
    module.PROFILE.vendor: module.PROFILE
    for module in (
        universal_robots,
        kuka,
        abb,
        fanuc,
        yaskawa,
        kawasaki,
        doosan,
        techman,
        staubli,
        mir,
        otto,
        generic,
    )
}


def vendor_profile(vendor: str) -> VendorProfile:
    """Return the profile of a vendor, or the generic one."""
    return VENDOR_PROFILES.get(vendor, VENDOR_PROFILES[Vendor.CUSTOM])


def supported_command_types(robot: Robot) -> frozenset[CommandType]:
    """Return the types of commands that a robot's vendor supports."""
    return vendor_profile(robot.vendor).command_types


def _model_key(name: str) -> str:
    """Return a model's name without case, spaces and punctuation."""
    return "".join(character for character in name.casefold() if character.isalnum())


def catalogue_model(vendor: str, model: str | None) -> RobotModel | None:
    """Return a vendor's model.

    Case, spaces and punctuation of its name do not matter.
    """
    wanted = _model_key(model or "")
    models = vendor_profile(vendor).models
    return next((known for known in models if _model_key(known.name) == wanted), None)


def catalogue_configuration(vendor: str, model: str | None) -> dict[str, Any]:
    """Return the catalogued facts of a model as a configuration."""
    found = catalogue_model(vendor, model)
    if found is None:
        return {}
    facts = {"axes": found.axes, "payload": found.payload_kg, "reach": found.reach_mm}
    return {name: value for name, value in facts.items() if value is not None}
