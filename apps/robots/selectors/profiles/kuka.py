"""Profile of KUKA."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.KUKA,
    Vendor.KUKA.label,
    (
        *arms(
            6,
            ("KR 6 R700 sixx", 6, 706),
            ("KR 6 R900 sixx", 6, 901),
            ("KR 10 R900 sixx", 10, 901),
            ("KR 10 R1100 sixx", 10, 1101),
            ("KR 210 R2700-2", 210, 2701),
            ("LBR iisy 3 R760", 3, 760),
            ("LBR iisy 11 R1300", 11, 1300),
            ("LBR iisy 15 R930", 15, 930),
        ),
        *arms(7, ("LBR iiwa 7 R800", 7, 800), ("LBR iiwa 14 R820", 14, 820)),
    ),
    (Endpoint(ConnectionProtocol.ETHERNET_KRL, 54600),),
)
