"""What a vendor profile consists of, and the parts that profiles share."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from apps.robots.choices import CommandType, ConnectionProtocol, ConnectionSecret

_JOINTS = range(1, 7)


class RobotKind(StrEnum):
    """Whether a vendor's robots are arms, vehicles or either."""

    ARM = "arm"
    MOBILE = "mobile"
    ANY = "any"


@dataclass(frozen=True)
class RobotModel:
    """A model of the catalogue.

    None is a fact that the catalogue does not state.

    Attributes:
        name: Name as the manufacturer writes it.
        axes: Number of axes; None for vehicles.
        payload_kg: Rated payload.
        reach_mm: Maximum reach; None for vehicles.
    """

    name: str
    axes: int | None = None
    payload_kg: float | None = None
    reach_mm: float | None = None


@dataclass(frozen=True)
class Metric:
    """A metric that robots of a vendor usually report.

    Attributes:
        name: Name of the metric.
        unit: UCUM code; empty for a state, which is 1 or 0.
        minimum: Proposed lower limit.
        maximum: Proposed upper limit.
    """

    name: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Endpoint:
    """A protocol of a vendor's controllers, and its usual port.

    None is a port that is configured on the controller.
    """

    protocol: ConnectionProtocol
    port: int | None = None


@dataclass(frozen=True)
class VendorProfile:
    """What the platform knows about the robots of one vendor.

    Limits of metrics are proposals of the platform, not ratings of the manufacturer.
    """

    vendor: str
    name: str
    kind: RobotKind
    models: tuple[RobotModel, ...]
    command_types: frozenset[CommandType]
    metrics: tuple[Metric, ...]
    endpoints: tuple[Endpoint, ...]
    secrets: tuple[ConnectionSecret, ...] = field(default=(ConnectionSecret.PASSWORD,))

    @property
    def protocols(self) -> tuple[ConnectionProtocol, ...]:
        """The protocols of the endpoints."""
        return tuple(endpoint.protocol for endpoint in self.endpoints)

    def default_port(self, protocol: str) -> int | None:
        """Return the usual port of a protocol."""
        return next((e.port for e in self.endpoints if e.protocol == protocol), None)


def arms(axes: int, *rows: tuple[str, float | None, float]) -> tuple[RobotModel, ...]:
    """Return models of arms.

    Args:
        axes: Number of axes of all of them.
        rows: Name, payload in kg and reach in mm of each.
    """
    return tuple(RobotModel(name, axes, payload, reach) for name, payload, reach in rows)


def vehicles(*rows: tuple[str, float]) -> tuple[RobotModel, ...]:
    """Return models of vehicles from rows of name and payload in kg."""
    return tuple(RobotModel(name, payload_kg=payload) for name, payload in rows)


ALL_COMMANDS = frozenset(CommandType)
# Vehicles run missions that their fleet manager stores; they have no joints to calibrate, and the
# speed belongs to zones of their map.
MOBILE_COMMANDS = ALL_COMMANDS - {
    CommandType.LOAD_PROGRAM,
    CommandType.CALIBRATE,
    CommandType.SET_SPEED,
}

COMMON_METRICS = (
    Metric("program.running", ""),
    Metric("safety.emergency_stop", ""),
    Metric("safety.protective_stop", ""),
)
ARM_METRICS = (
    *(Metric(f"joint.{joint}.angle", "rad") for joint in _JOINTS),
    *(Metric(f"joint.{joint}.current", "A") for joint in _JOINTS),
    *(Metric(f"temperature.motor.joint{joint}", "Cel", maximum=80) for joint in _JOINTS),
    Metric("temperature.controller", "Cel", maximum=60),
    Metric("power.total", "W"),
    Metric("cycle.count", "count"),
    *COMMON_METRICS,
)
MOBILE_METRICS = (
    Metric("battery.charge", "%", minimum=20),
    Metric("battery.voltage", "V"),
    Metric("battery.charging", ""),
    Metric("velocity.linear.magnitude", "m/s", maximum=2),
    Metric("navigation.path_deviation", "m", maximum=0.5),
    Metric("navigation.mission_progress", "%", minimum=0, maximum=100),
    *COMMON_METRICS,
)
# Open interfaces that any controller may offer, after those of the vendor.
OPEN_ENDPOINTS = (
    Endpoint(ConnectionProtocol.OPC_UA, 4840),
    Endpoint(ConnectionProtocol.MODBUS_TCP, 502),
    Endpoint(ConnectionProtocol.MQTT, 8883),
)


def arm_profile(
    vendor: str,
    name: str,
    models: tuple[RobotModel, ...],
    endpoints: tuple[Endpoint, ...],
    secrets: tuple[ConnectionSecret, ...] = (ConnectionSecret.PASSWORD,),
) -> VendorProfile:
    """Return the profile of a vendor of arms; open interfaces are added."""
    own = {endpoint.protocol for endpoint in endpoints}
    others = tuple(endpoint for endpoint in OPEN_ENDPOINTS if endpoint.protocol not in own)
    return VendorProfile(
        vendor, name, RobotKind.ARM, models, ALL_COMMANDS, ARM_METRICS, endpoints + others, secrets
    )


def mobile_profile(
    vendor: str,
    name: str,
    models: tuple[RobotModel, ...],
    secrets: tuple[ConnectionSecret, ...],
) -> VendorProfile:
    """Return the profile of a vendor of vehicles."""
    endpoints = (
        Endpoint(ConnectionProtocol.HTTP, 80),
        Endpoint(ConnectionProtocol.HTTPS, 443),
        Endpoint(ConnectionProtocol.VDA5050, 8883),
        Endpoint(ConnectionProtocol.MQTT, 8883),
    )
    return VendorProfile(
        vendor, name, RobotKind.MOBILE, models, MOBILE_COMMANDS, MOBILE_METRICS, endpoints, secrets
    )
