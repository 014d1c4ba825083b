"""Profile of ABB."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.ABB,
    Vendor.ABB.label,
    (
        *arms(
            6,
            ("IRB 120", 3, 580),
            ("IRB 1200-5/0.9", 5, 901),
            ("IRB 1200-7/0.7", 7, 703),
            ("IRB 1600-6/1.2", 6, 1200),
            ("IRB 1600-10/1.45", 10, 1450),
            ("IRB 2600-20/1.65", 20, 1650),
            ("IRB 2600-12/1.85", 12, 1850),
            ("IRB 4600-60/2.05", 60, 2050),
            ("IRB 4600-40/2.55", 40, 2550),
            ("IRB 6640-180/2.55", 180, 2550),
            ("IRB 6700-150/3.20", 150, 3200),
            ("IRB 6700-200/2.60", 200, 2600),
            ("CRB 15000-5/0.95", 5, 950),
            ("CRB 15000-10/1.52", 10, 1520),
            ("CRB 15000-12/1.27", 12, 1270),
        ),
        *arms(7, ("IRB 14050", 0.5, 559)),
    ),
    (Endpoint(ConnectionProtocol.ROBOT_WEB_SERVICES, 443),),
)
