"""Definition of the demo fleet: organizations, users, facilities and robots.

Names are invented; the models are real ones of their vendors.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.accounts.choices import Role
from apps.robots.choices import Vendor
from apps.robots.selectors.profiles import vendor_profile
from urfmp.demo.credentials import readable_password
from urfmp.demo.organization import DEMO_ORGANIZATION

_MOBILE_VENDORS = {Vendor.MIR, Vendor.OTTO}


@dataclass(frozen=True)
class FacilityPlan:
    """A facility with a floor area in metres."""

    name: str
    timezone: str
    width_m: float
    height_m: float


@dataclass(frozen=True)
class RobotPlan:
    """A robot and its position on the floor.

    The position is in metres from the lower left corner.
    """

    name: str
    vendor: str
    model: str
    serial_number: str
    firmware_version: str
    facility: str
    area: str
    cell: str
    x_m: float
    y_m: float
    axes: int
    payload_kg: float
    reach_mm: float
    capabilities: tuple[str, ...]

    @property
    def configuration(self) -> dict[str, Any]:
        """Value of the robot's column of that name."""
        return {
            "axes": self.axes,
            "payload": self.payload_kg,
            **({"reach": self.reach_mm} if self.vendor not in _MOBILE_VENDORS else {}),
            "capabilities": list(self.capabilities),
            "customSettings": {"cell_network": f"cell-{self.cell.lower().replace(' ', '-')}"},
        }

    def connection(self, number: int) -> dict[str, Any]:
        """Return connection settings in a network for documentation.

        Args:
            number: Last part of the robot's address.
        """
        endpoint = vendor_profile(self.vendor).endpoints[0]
        return {
            "protocol": endpoint.protocol.value,
            "host": f"192.0.2.{number}",
            **({"port": endpoint.port} if endpoint.port else {}),
            "username": "urfmp",
            "secrets": {"password": readable_password()},
        }

    @property
    def location(self) -> dict[str, Any]:
        """Value of the robot's column of that name."""
        return {
            "facility": self.facility,
            "area": self.area,
            "cell": self.cell,
            "coordinates": {
                "x_m": self.x_m,
                "y_m": self.y_m,
                "theta_rad": round(math.remainder(self.x_m * 0.4 + self.y_m, math.tau), 3),
                "map_id": self.facility.split(maxsplit=1)[0].lower(),
            },
        }


@dataclass(frozen=True)
class UserPlan:
    """A user.

    The e-mail address is derived from the role and the organization's domain.
    """

    role: str
    first_name: str
    last_name: str
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class OrganizationPlan:
    """An organization with its users, facilities and robots."""

    name: str
    slug: str
    domain: str
    plan: str
    timezone: str
    users: tuple[UserPlan, ...]
    facilities: tuple[FacilityPlan, ...] = ()
    robots: tuple[RobotPlan, ...] = ()

    def email(self, user: UserPlan) -> str:
        """Return the e-mail address of a user."""
        return f"{user.role.replace('_', '.')}@{self.domain}"


def _robots(organization: str) -> tuple[RobotPlan, ...]:
    """Read the robots of one organization from robots.csv."""
    with (Path(__file__).parent / "robots.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            RobotPlan(
                **{name: row[name] for name in _TEXT_COLUMNS},
                x_m=float(row["x_m"]),
                y_m=float(row["y_m"]),
                axes=int(row["axes"]),
                payload_kg=float(row["payload_kg"]),
                reach_mm=float(row["reach_mm"]),
                capabilities=tuple(row["capabilities"].split()),
            )
            for row in csv.DictReader(file)
            if row["organization"] == organization
        )


_TEXT_COLUMNS = (
    "name",
    "vendor",
    "model",
    "serial_number",
    "firmware_version",
    "facility",
    "area",
    "cell",
)
_REGENSBURG = "Regensburg Plant"
_BRNO = "Brno Body Shop"
_GDANSK = "Gdansk Logistics"
_PORTO = "Porto Bakery"


PLANT = OrganizationPlan(
    name="Meridian Drive Works",
    slug=DEMO_ORGANIZATION,
    domain="meridian.example",
    plan="enterprise",
    timezone="Europe/Berlin",
    users=(
        UserPlan(Role.ADMIN, "Ada", "Lindqvist"),
        UserPlan(Role.MANAGER, "Marek", "Novak"),
        UserPlan(Role.OPERATOR, "Olga", "Petersen"),
        UserPlan(Role.TECHNICIAN, "Theo", "Brandt"),
        UserPlan(Role.VIEWER, "Vera", "Costa"),
        UserPlan(
            Role.CUSTOM,
            "Carla",
            "Weiss",
            permissions=("robot.view", "telemetry.view", "audit.view"),
        ),
    ),
    facilities=(
        FacilityPlan(_REGENSBURG, "Europe/Berlin", 48, 28),
        FacilityPlan(_BRNO, "Europe/Prague", 50, 32),
        FacilityPlan(_GDANSK, "Europe/Warsaw", 60, 40),
    ),
    robots=_robots(DEMO_ORGANIZATION),
)

BAKERY = OrganizationPlan(
    name="Padaria Atlantica",
    slug="padaria-atlantica",
    domain="padaria.example",
    plan="starter",
    timezone="Europe/Lisbon",
    users=(
        UserPlan(Role.ADMIN, "Ana", "Ferreira"),
        UserPlan(Role.VIEWER, "Vasco", "Lima"),
    ),
    facilities=(FacilityPlan(_PORTO, "Europe/Lisbon", 24, 14),),
    robots=_robots("padaria-atlantica"),
)

PLATFORM = OrganizationPlan(
    name="Platform",
    slug="platform",
    domain="platform.example",
    plan="custom",
    timezone="UTC",
    users=(UserPlan(Role.SUPER_ADMIN, "Sofia", "Aalto"),),
)

# The platform first: nothing depends on it, and it is the fastest to load.
ORGANIZATIONS = (PLATFORM, BAKERY, PLANT)
FIRST_LOGIN = (PLANT, PLANT.users[0])
