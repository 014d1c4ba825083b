"""Profile of FANUC."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

PROFILE = arm_profile(
    Vendor.FANUC,
    Vendor.FANUC.label,
    (
        *arms(
            6,
            ("LR Mate 200iD", 7, 717),
            ("LR Mate 200iD/4S", 4, 550),
            ("LR Mate 200iD/7L", 7, 911),
            ("ARC Mate 100iD", 12, 1441),
            ("ARC Mate 120iD", 25, 1831),
            ("M-10iD/12", 12, 1441),
            ("M-20iD/25", 25, 1831),
            ("M-20iD/35", 35, 1831),
            ("M-710iC/50", 50, 2050),
            ("M-710iC/70", 70, 2050),
            ("M-900iB/700", 700, 2832),
            ("R-2000iC/125L", 125, 3100),
            ("R-2000iC/165F", 165, 2655),
            ("R-2000iC/210F", 210, 2655),
            ("CRX-5iA", 5, 994),
            ("CRX-10iA", 10, 1249),
            ("CRX-10iA/L", 10, 1418),
            ("CRX-20iA/L", 20, 1418),
        ),
        *arms(4, ("SR-3iA", 3, 400), ("SR-6iA", 6, 650)),
    ),
    (Endpoint(ConnectionProtocol.OPC_UA, 4880),),
)
