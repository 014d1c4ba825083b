"""Simulate machines: an arm or a mobile robot that warms and discharges.

The same machines produce the demo fleet's past, in steps of minutes, and its present, in steps of a
second. Random values come from a generator seeded with the serial number. Two machines of one
serial number that make the same steps measure the same values.
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
    """A simulated robot.

    Attributes:
        is_mobile: Whether it drives on a battery.
    """

    is_mobile: bool

    def advance(self, seconds: float, status: str) -> None:
        """Advance the time in one status, in steps of any length."""
        ...

    def fast_readings(self) -> list[Reading]:
        """Return the values that change from second to second."""
        ...

    def slow_readings(self) -> list[Reading]:
        """Return the values that change from minute to minute."""
        ...

    def restore(self, latest: Mapping[str, float]) -> None:
        """Continue from the last values stored by the platform."""
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

    Motors warm towards a temperature that depends on the load, with a lag of 15 to 40 minutes.
    Currents follow acceleration and gravity.
    """

    is_mobile = False

    def __init__(self, serial_number: str, *, axes: int = 6, payload_kg: float = 10.0) -> None:
        rng = random.Random(f"urfmp:{serial_number}")  # noqa: S311 - not a secret
        self._noise = random.Random(f"urfmp:{serial_number}:noise")  # noqa: S311 - not a secret
        strength = 0.6 + math.log1p(max(payload_kg, 0.5)) * 0.9
        self._joints = [
            _Joint(
                center=rng.uniform(-1.2, 1.2),
                swing=rng.uniform(0.25, 0.9),
                harmonic=rng.choice((1, 1, 2, 3)),
                phase=rng.uniform(0, math.tau),
                holding_a=strength * (0.75 if index in {1, 2} else 0.12) * rng.uniform(0.8, 1.2),
                moving_a=strength * (1.0 - 0.12 * index) * rng.uniform(0.5, 0.9),
                heat_c=rng.uniform(9, 19),
                lag_seconds=rng.uniform(900, 2400),
            )
            for index in range(max(1, min(axes, 12)))
        ]
        self._ambient = rng.uniform(19.5, 23.5)
        self._supply_v = 48.0 if payload_kg <= 20 else 400.0
        self._controller_c = self._ambient + 9
        self._motors_c = [self._ambient + 3.0 for _ in self._joints]
        self.cycle_seconds = rng.uniform(18, 55)
        self.cycles = float(rng.randrange(40_000, 900_000))
        self._status = "idle"

    def advance(self, seconds: float, status: str) -> None:
        """Advance the time in one status."""
        self._status = status
        is_working = status in _WORKING
        if is_working:
            self.cycles += seconds / self.cycle_seconds
        for index, joint in enumerate(self._joints):
            target = self._ambient + (joint.heat_c if is_working else 3.0)
            self._motors_c[index] += (target - self._motors_c[index]) * -math.expm1(
                -seconds / joint.lag_seconds
            )
        target = self._ambient + (15.0 if is_working else 8.0)
        self._controller_c += (target - self._controller_c) * -math.expm1(-seconds / 1800)

    def fast_readings(self) -> list[Reading]:
        """Return joint angles and currents, and the arm's total current and power."""
        is_working = self._status in _WORKING
        powered = is_working or self._status in {"idle", "online"}
        phase = self.cycles * math.tau
        noise = self._noise.gauss
        readings: list[Reading] = []
        total = 0.0
        for number, joint in enumerate(self._joints, start=1):
            at = phase * joint.harmonic + joint.phase
            angle = joint.center + joint.swing * math.sin(at)
            current = joint.holding_a * math.cos(joint.center) if powered else 0.0
            if is_working:
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
                ("program.running", float(is_working), None),
                ("cycle.count", float(int(self.cycles)), "count"),
            )
        )
        return readings

    def slow_readings(self) -> list[Reading]:
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
        """Continue with the stored cycle count and motor temperatures."""
        self.cycles = max(self.cycles, latest.get("cycle.count", 0.0))
        self._controller_c = latest.get("temperature.controller", self._controller_c)
        self._motors_c = [
            latest.get(f"temperature.motor.joint{number}", value)
            for number, value in enumerate(self._motors_c, start=1)
        ]


class Mobile:
    """A mobile robot that drives round a loop of aisles.

    It charges when its battery is low.
    """

    is_mobile = True

    def __init__(self, serial_number: str, *, x_m: float = 10.0, y_m: float = 8.0) -> None:
        rng = random.Random(f"urfmp:{serial_number}")  # noqa: S311 - not a secret
        self._noise = random.Random(f"urfmp:{serial_number}:noise")  # noqa: S311 - not a secret
        # The loop begins at the dock, the robot's position on the platform's floor plan.
        self._dock = (x_m, y_m)
        self._width = min(rng.uniform(8, 16), max(x_m - 1, 4))
        self._height = min(rng.uniform(5, 9), max(y_m - 1, 3))
        self._cruise_m_s = rng.uniform(0.7, 1.2)
        self._drain_percent_h = rng.uniform(11, 16)
        self.battery_percent = rng.uniform(45, 90)
        self._health_percent = round(rng.uniform(91, 99), 1)
        self._ambient = rng.uniform(18, 22)
        self._controller_c = self._ambient + 8
        self._driven_m = 0.0
        self._status = "idle"

    def advance(self, seconds: float, status: str) -> None:
        """Advance the time in one status."""
        self._status = status
        hours = seconds / 3600
        if status == "charging":
            # As with any lithium battery, the last part charges more slowly.
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
        loop_length = 2 * (self._width + self._height)
        distance = self._driven_m % loop_length
        x, y = self._dock
        corners = (
            (self._width, 0.0, math.pi),
            (self._height, 0.0, -math.pi / 2),
            (self._width, 0.0, 0.0),
            (self._height, 0.0, math.pi / 2),
        )
        for length, _, heading in corners:
            step = min(distance, length)
            x += math.cos(heading) * step
            y += math.sin(heading) * step
            distance -= step
            if distance <= 0:
                return x, y, heading
        return x, y, corners[-1][2]

    def fast_readings(self) -> list[Reading]:
        """Return position, speed, power and mission progress."""
        x, y, heading = self.position
        noise = self._noise.gauss
        is_working = self._status in _WORKING
        speed = max(0.0, self._cruise_m_s + noise(0, 0.05)) if is_working else 0.0
        loop_length = 2 * (self._width + self._height)
        return [
            ("position.x", round(x * 1000 + noise(0, 4), 1), "mm"),
            ("position.y", round(y * 1000 + noise(0, 4), 1), "mm"),
            ("position.rz", round(heading + noise(0, 0.004), 4), "rad"),
            ("velocity.linear.magnitude", round(speed, 3), "m/s"),
            ("power.total", round((180 if is_working else 35) + noise(0, 4), 1), "W"),
            (
                "navigation.mission_progress",
                round(self._driven_m % loop_length / loop_length * 100, 1),
                "%",
            ),
        ]

    def slow_readings(self) -> list[Reading]:
        """Return the battery's state and the controller temperature."""
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
        """Continue with the stored battery charge and controller temperature."""
        self.battery_percent = latest.get("battery.charge", self.battery_percent)
        self._controller_c = latest.get("temperature.controller", self._controller_c)


def machine_for(
    serial_number: str, configuration: Mapping[str, object], location: Mapping[str, object] | None
) -> Arm | Mobile:
    """Return the machine that matches the platform's data of a robot.

    Args:
        serial_number: Seed of the random values.
        configuration: `{axes, payload, capabilities}` of the robot.
        location: `{coordinates: {x_m, y_m}}`, the dock of a mobile robot.
    """
    capabilities = configuration.get("capabilities")
    if isinstance(capabilities, list) and "transport" in capabilities:
        coordinates = (location or {}).get("coordinates")
        dock = coordinates if isinstance(coordinates, dict) else {}
        return Mobile(
            serial_number,
            x_m=_number(dock.get("x_m"), 10.0),
            y_m=_number(dock.get("y_m"), 8.0),
        )
    return Arm(
        serial_number,
        axes=int(_number(configuration.get("axes"), 6)),
        payload_kg=_number(configuration.get("payload"), 10.0),
    )


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
