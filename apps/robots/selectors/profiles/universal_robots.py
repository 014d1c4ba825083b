"""Profile of Universal Robots."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.UNIVERSAL_ROBOTS,
    Vendor.UNIVERSAL_ROBOTS.label,
    arms(
        6,
        ("UR3", 3, 500),
        ("UR5", 5, 850),
        ("UR10", 10, 1300),
        ("UR3e", 3, 500),
        ("UR5e", 5, 850),
        ("UR7e", 7.5, 850),
        ("UR10e", 12.5, 1300),
        ("UR12e", 12.5, 1300),
        ("UR15", 15, 1300),
        ("UR16e", 16, 900),
        ("UR20", 20, 1750),
        ("UR30", 30, 1300),
    ),
    (Endpoint(ConnectionProtocol.RTDE, 30004), Endpoint(ConnectionProtocol.DASHBOARD, 29999)),
)
