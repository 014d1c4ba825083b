"""Machines that only exist in numbers: how an arm or a mobile robot moves, warms and drains.

The same machines make the demo fleet's past, in steps of minutes, and its present, in steps of a
second. What chance decides comes from a generator seeded with the serial number, so two machines
of one serial number that take the same steps measure the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Reading = tuple[str, float, str | None]
"""Metric name, value and unit."""

CHARGE_AT_PERCENT = 22.0
CHARGED_PERCENT = 94.0

_WORKING = frozenset({"running"})


class Machine(Protocol):
    """A robot in numbers.

    Attributes:
        is_mobile: Whether it drives on a battery.
    """

    is_mobile: bool

    def advance(self, seconds: float, status: str) -> None:
        """Let time pass in one status, in steps of any length."""
        ...

    def fast(self) -> list[Reading]:
        """Return what changes from second to second."""
        ...

    def slow(self) -> list[Reading]:
        """Return what changes from minute to minute."""
        ...

    def restore(self, latest: Mapping[str, float]) -> None:
        """Go on from the last values that the platform knows."""
        ...


@dataclass(frozen=True)
class _Joint:
    center: float
    swing: float
    harmonic: int
    phase: float
    holding_a: float
    moving_a: float
    heat_c: float
    lag_seconds: float


class Arm:
    """A jointed arm that repeats one program.

    Motors warm towards a temperature that depends on the load, with a lag of 15 to 40 minutes;
    currents follow acceleration and what gravity asks for.
    """

    is_mobile = False

    def __init__(self, serial_number: str, *, axes: int = 6, payload_kg: float = 10.0) -> None:
        chance = random.Random(f"urfmp:{serial_number}")  # noqa: S311 - not a secret
        self._noise = random.Random(f"urfmp:{serial_number}:noise")  # noqa: S311 - not a secret
        strength = 0.6 + math.log1p(max(payload_kg, 0.5)) * 0.9
        self._joints = [
            _Joint(
                center=chance.uniform(-1.2, 1.2),
                swing=chance.uniform(0.25, 0.9),
                harmonic=chance.choice((1, 1, 2, 3)),
                phase=chance.uniform(0, math.tau),
                holding_a=strength * (0.75 if index in {1, 2} else 0.12) * chance.uniform(0.8, 1.2),
                moving_a=strength * (1.0 - 0.12 * index) * chance.uniform(0.5, 0.9),
                heat_c=chance.uniform(9, 19),
                lag_seconds=chance.uniform(900, 2400),
            )
            for index in range(max(1, min(axes, 12)))
        ]
        self._ambient = chance.uniform(19.5, 23.5)
        self._supply_v = 48.0 if payload_kg <= 20 else 400.0
        self._controller_c = self._ambient + 9
        self._motors_c = [self._ambient + 3.0 for _ in self._joints]
        self.cycle_seconds = chance.uniform(18, 55)
        self.cycles = float(chance.randrange(40_000, 900_000))
        self._status = "idle"

    def advance(self, seconds: float, status: str) -> None:
        """Let time pass in one status."""
        self._status = status
        works = status in _WORKING
        if works:
            self.cycles += seconds / self.cycle_seconds
        for index, joint in enumerate(self._joints):
            target = self._ambient + (joint.heat_c if works else 3.0)
            self._motors_c[index] += (target - self._motors_c[index]) * -math.expm1(
                -seconds / joint.lag_seconds
            )
        target = self._ambient + (15.0 if works else 8.0)
        self._controller_c += (target - self._controller_c) * -math.expm1(-seconds / 1800)

    def fast(self) -> list[Reading]:
        """Return joint angles, currents and what the whole arm draws."""
        works = self._status in _WORKING
        powered = works or self._status in {"idle", "online"}
        phase = self.cycles * math.tau
        noise = self._noise.gauss
        readings: list[Reading] = []
        total = 0.0
        for number, joint in enumerate(self._joints, start=1):
            at = phase * joint.harmonic + joint.phase
            angle = joint.center + joint.swing * math.sin(at)
            current = joint.holding_a * math.cos(joint.center) if powered else 0.0
            if works:
                current -= joint.moving_a * math.sin(at)
            current += noise(0, 0.02)
            total += abs(current)
            readings.extend(
                (
                    (f"joint.{number}.angle", round(angle, 5), "rad"),
                    (f"joint.{number}.current", round(current, 4), "A"),
                )
            )
        readings.extend(
            (
                ("current.total", round(total + 0.4, 4), "A"),
                ("power.total", round(self._supply_v * (total * 0.45 + 0.4) + 60, 2), "W"),
                ("program.running", float(works), None),
                ("cycle.count", float(int(self.cycles)), "count"),
            )
        )
        return readings

    def slow(self) -> list[Reading]:
        """Return temperatures and the protective stop."""
        noise = self._noise.gauss
        readings: list[Reading] = [
            (f"temperature.motor.joint{number}", round(value + noise(0, 0.06), 3), "Cel")
            for number, value in enumerate(self._motors_c, start=1)
        ]
        readings.extend(
            (
                ("temperature.controller", round(self._controller_c + noise(0, 0.05), 3), "Cel"),
                ("safety.protective_stop", float(self._status == "stopped"), None),
            )
        )
        return readings

    def restore(self, latest: Mapping[str, float]) -> None:
        """Go on counting cycles and with motors as warm as they were."""
        self.cycles = max(self.cycles, latest.get("cycle.count", 0.0))
        self._controller_c = latest.get("temperature.controller", self._controller_c)
        self._motors_c = [
            latest.get(f"temperature.motor.joint{number}", value)
            for number, value in enumerate(self._motors_c, start=1)
        ]


class Mobile:
    """A mobile robot that drives round a loop of aisles and charges when its battery is low."""

    is_mobile = True

    def __init__(self, serial_number: str, *, x_m: float = 10.0, y_m: float = 8.0) -> None:
        chance = random.Random(f"urfmp:{serial_number}")  # noqa: S311 - not a secret
        self._noise = random.Random(f"urfmp:{serial_number}:noise")  # noqa: S311 - not a secret
        # The loop begins at the dock, which is where the platform places the robot.
        self._dock = (x_m, y_m)
        self._width = min(chance.uniform(8, 16), max(x_m - 1, 4))
        self._height = min(chance.uniform(5, 9), max(y_m - 1, 3))
        self._cruise_m_s = chance.uniform(0.7, 1.2)
        self._drain_percent_h = chance.uniform(11, 16)
        self.battery_percent = chance.uniform(45, 90)
        self._health_percent = round(chance.uniform(91, 99), 1)
        self._ambient = chance.uniform(18, 22)
        self._controller_c = self._ambient + 8
        self._driven_m = 0.0
        self._status = "idle"

    def advance(self, seconds: float, status: str) -> None:
        """Let time pass in one status."""
        self._status = status
        hours = seconds / 3600
        if status == "charging":
            # The last tenth takes as long as it does in any lithium battery.
            rate = 48.0 if self.battery_percent < 85 else 22.0
            self.battery_percent = min(100.0, self.battery_percent + rate * hours)
            self._driven_m = 0.0
        else:
            drain = self._drain_percent_h if status in _WORKING else 2.5
            self.battery_percent = max(4.0, self.battery_percent - drain * hours)
        if status in _WORKING:
            self._driven_m += self._cruise_m_s * seconds
        target = self._ambient + (14 if status in _WORKING else 7)
        self._controller_c += (target - self._controller_c) * -math.expm1(-seconds / 1500)

    @property
    def position(self) -> tuple[float, float, float]:
        """Metres from the map's origin, and the heading in radians."""
        around = 2 * (self._width + self._height)
        along = self._driven_m % around
        x, y = self._dock
        corners = (
            (self._width, 0.0, math.pi),
            (self._height, 0.0, -math.pi / 2),
            (self._width, 0.0, 0.0),
            (self._height, 0.0, math.pi / 2),
        )
        for length, _, heading in corners:
            step = min(along, length)
            x += math.cos(heading) * step
            y += math.sin(heading) * step
            along -= step
            if along <= 0:
                return x, y, heading
        return x, y, corners[-1][2]

    def fast(self) -> list[Reading]:
        """Return where it is and how fast it drives."""
        x, y, heading = self.position
        noise = self._noise.gauss
        works = self._status in _WORKING
        speed = max(0.0, self._cruise_m_s + noise(0, 0.05)) if works else 0.0
        around = 2 * (self._width + self._height)
        return [
            ("position.x", round(x * 1000 + noise(0, 4), 1), "mm"),
            ("position.y", round(y * 1000 + noise(0, 4), 1), "mm"),
            ("position.rz", round(heading + noise(0, 0.004), 4), "rad"),
            ("velocity.linear.magnitude", round(speed, 3), "m/s"),
            ("power.total", round((180 if works else 35) + noise(0, 4), 1), "W"),
            ("navigation.mission_progress", round(self._driven_m % around / around * 100, 1), "%"),
        ]

    def slow(self) -> list[Reading]:
        """Return the battery and the temperature of the controller."""
        charge = self.battery_percent
        charging = self._status == "charging"
        voltage = 44.0 + charge * 0.085 + (1.4 if charging else 0.0) + self._noise.gauss(0, 0.03)
        return [
            ("battery.charge", round(charge, 2), "%"),
            ("battery.voltage", round(voltage, 2), "V"),
            ("battery.charging", float(charging), None),
            ("battery.health", self._health_percent, "%"),
            (
                "temperature.controller",
                round(self._controller_c + self._noise.gauss(0, 0.05), 3),
                "Cel",
            ),
        ]

    def restore(self, latest: Mapping[str, float]) -> None:
        """Go on with the battery as full as it was."""
        self.battery_percent = latest.get("battery.charge", self.battery_percent)
        self._controller_c = latest.get("temperature.controller", self._controller_c)


def machine_for(
    serial_number: str, configuration: Mapping[str, object], location: Mapping[str, object] | None
) -> Arm | Mobile:
    """Return the machine that fits what the platform knows of a robot.

    Args:
        serial_number: Seeds what chance decides.
        configuration: `{axes, payload, capabilities}` of the robot.
        location: `{coordinates: {x_m, y_m}}`, where a mobile robot's dock is.
    """
    capabilities = configuration.get("capabilities")
    if isinstance(capabilities, list) and "transport" in capabilities:
        coordinates = (location or {}).get("coordinates")
        place = coordinates if isinstance(coordinates, dict) else {}
        return Mobile(
            serial_number,
            x_m=_number(place.get("x_m"), 10.0),
            y_m=_number(place.get("y_m"), 8.0),
        )
    return Arm(
        serial_number,
        axes=int(_number(configuration.get("axes"), 6)),
        payload_kg=_number(configuration.get("payload"), 10.0),
    )


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
