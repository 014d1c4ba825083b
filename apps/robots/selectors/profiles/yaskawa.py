"""Profile of Yaskawa."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.YASKAWA,
    Vendor.YASKAWA.label,
    arms(
        6,
        ("GP7", 7, 927),
        ("GP8", 8, 727),
        ("GP12", 12, 1440),
        ("GP25", 25, 1730),
        ("GP25-12", 12, 2010),
        ("GP50", 50, 2061),
        ("GP88", 88, 2236),
        ("GP110", 110, 2236),
        ("GP180", 180, 2702),
        ("GP225", 225, 2702),
        ("AR1440", 12, 1440),
        ("AR2010", 12, 2010),
        ("HC10", 10, 1200),
        ("HC10DT", 10, 1200),
        ("HC20DTP", 20, 1700),
    ),
    (Endpoint(ConnectionProtocol.HIGH_SPEED_ETHERNET, 10040),),
)
