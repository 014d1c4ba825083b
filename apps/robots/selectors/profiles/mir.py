"""Profile of Mobile Industrial Robots."""

from __future__ import annotations

from apps.robots.choices import ConnectionSecret, Vendor
from apps.robots.selectors.profiles.definitions import mobile_profile, vehicles

PROFILE = mobile_profile(
    Vendor.MIR,
    Vendor.MIR.label,
    vehicles(
        ("MiR100", 100),
        ("MiR200", 200),
        ("MiR250", 250),
        ("MiR500", 500),
        ("MiR600", 600),
        ("MiR1000", 1000),
        ("MiR1350", 1350),
        ("MiR1200 Pallet Jack", 1200),
    ),
    (ConnectionSecret.PASSWORD,),
)
