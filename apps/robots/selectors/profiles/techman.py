"""Profile of Techman."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.TECHMAN,
    Vendor.TECHMAN.label,
    arms(
        6,
        ("TM5-700", 6, 700),
        ("TM5-900", 4, 900),
        ("TM12", 12, 1300),
        ("TM14", 14, 1100),
        ("TM16", 16, 900),
        ("TM20", 20, 1300),
        ("TM5S", 5, 900),
        ("TM7S", 7, 700),
        ("TM12S", 12, 1300),
        ("TM14S", 14, 1100),
    ),
    (Endpoint(ConnectionProtocol.LISTEN_NODE, 5890),),
)
