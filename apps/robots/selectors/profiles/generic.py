"""Profile of robots whose vendor the platform does not know."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, ConnectionSecret, Vendor
from apps.robots.selectors.profiles.definitions import (
    ALL_COMMANDS,
    COMMON_METRICS,
    Endpoint,
    RobotKind,
    VendorProfile,
)

PROFILE = VendorProfile(
    Vendor.CUSTOM,
    Vendor.CUSTOM.label,
    RobotKind.ANY,
    (),
    ALL_COMMANDS,
    COMMON_METRICS,
    tuple(Endpoint(protocol) for protocol in ConnectionProtocol),
    tuple(ConnectionSecret),
)
