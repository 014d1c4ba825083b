"""Profile of Kawasaki."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.KAWASAKI,
    Vendor.KAWASAKI.label,
    arms(
        6,
        ("RS003N", 3, 620),
        ("RS005N", 5, 705),
        ("RS005L", 5, 903),
        ("RS007N", 7, 730),
        ("RS007L", 7, 930),
        ("RS010N", 10, 1450),
        ("RS010L", 10, 1925),
        ("RS020N", 20, 1725),
        ("RS030N", 30, 2100),
        ("RS050N", 50, 2100),
        ("RS080N", 80, 2100),
        ("BA006N", 6, 1445),
        ("BA006L", 6, 2036),
        ("BX200L", 200, 2597),
    ),
    (Endpoint(ConnectionProtocol.AS_TERMINAL, 23),),
)
