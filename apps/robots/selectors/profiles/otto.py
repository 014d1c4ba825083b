"""Profile of OTTO Motors."""

from __future__ import annotations

from apps.robots.choices import ConnectionSecret, Vendor
from apps.robots.selectors.profiles.definitions import mobile_profile, vehicles

PROFILE = mobile_profile(
    Vendor.OTTO,
    Vendor.OTTO.label,
    vehicles(
        ("OTTO 600", 600),
        ("OTTO 750", 750),
        ("OTTO 1200", 1200),
        ("OTTO 1500", 1500),
        ("OTTO Lifter", 1200),
    ),
    (ConnectionSecret.PASSWORD, ConnectionSecret.TOKEN),
)
