"""Robots that drive, and so report where they are."""

from __future__ import annotations

from typing import Any

from apps.robots.choices import Capability
from apps.robots.models import Robot
from apps.robots.selectors.profiles import VENDOR_PROFILES, vendor_profile
from apps.robots.selectors.profiles.definitions import RobotKind


def drives(robot: Robot) -> bool:
    """Return whether a robot's `position.x` and `position.y` are coordinates in its facility.

    Those of an arm are the position of its tool, from its base.
    """
    kind = vendor_profile(robot.vendor).kind
    if kind == RobotKind.ANY:
        capabilities = (robot.configuration or {}).get("capabilities") or ()
        return Capability.TRANSPORT in capabilities
    return kind == RobotKind.MOBILE


# The same rule in SQL, for a row with the columns vendor and configuration.
DRIVES_SQL = """(
    vendor = ANY (%(mobile_vendors)s)
    OR vendor <> ALL (%(arm_vendors)s) AND configuration -> 'capabilities' ? %(transport)s
)"""


def drives_parameters() -> dict[str, Any]:
    """Return the parameters of `DRIVES_SQL`."""
    vendors: dict[RobotKind, list[str]] = {kind: [] for kind in RobotKind}
    for vendor, profile in VENDOR_PROFILES.items():
        vendors[profile.kind].append(str(vendor))
    return {
        "mobile_vendors": vendors[RobotKind.MOBILE],
        "arm_vendors": vendors[RobotKind.ARM],
        "transport": str(Capability.TRANSPORT.value),
    }
