"""Profile of Stäubli."""

from __future__ import annotations

from apps.robots.choices import ConnectionProtocol, Vendor
from apps.robots.selectors.profiles.definitions import Endpoint, arm_profile, arms

# The manufacturer rates payloads by speed and orientation; the catalogue states none.
PROFILE = arm_profile(
    Vendor.STAUBLI,
    Vendor.STAUBLI.label,
    arms(
        6,
        ("TX2-40", None, 515),
        ("TX2-60", None, 670),
        ("TX2-60L", None, 920),
        ("TX2-90", None, 1000),
        ("TX2-90L", None, 1200),
        ("TX2-90XL", None, 1450),
        ("TX2-160", None, 1710),
        ("TX2-160L", None, 2010),
    ),
    (Endpoint(ConnectionProtocol.SOAP, 5653),),
)
