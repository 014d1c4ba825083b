"""Profile of Doosan."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.DOOSAN,
    Vendor.DOOSAN.label,
    arms(
        6,
        ("A0509", 5, 900),
        ("A0912", 9, 1200),
        ("E0509", 5, 900),
        ("M0609", 6, 900),
        ("M0617", 6, 1700),
        ("M1013", 10, 1300),
        ("M1509", 15, 900),
        ("H2017", 20, 1700),
        ("H2515", 25, 1500),
    ),
    (Endpoint(ConnectionProtocol.DRFL, 12345),),
)
