from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum

from django.db import models


class RobotStatus(models.TextChoices):
    """Effective status of a robot."""

    OFFLINE = "offline", "Offline"
    ONLINE = "online", "Online"
    IDLE = "idle", "Idle"
    RUNNING = "running", "Running"
    CHARGING = "charging", "Charging"
    STOPPED = "stopped", "Stopped"
    MAINTENANCE = "maintenance", "Maintenance"
    ERROR = "error", "Error"
    EMERGENCY_STOP = "emergency_stop", "Emergency stop"


class ReportedStatus(models.TextChoices):
    """Status that a robot may report; the platform sets the other ones."""

    ONLINE = "online", "Online"
    IDLE = "idle", "Idle"
    RUNNING = "running", "Running"
    CHARGING = "charging", "Charging"
    STOPPED = "stopped", "Stopped"
    ERROR = "error", "Error"
    EMERGENCY_STOP = "emergency_stop", "Emergency stop"


class Lifecycle(models.TextChoices):
    """Lifecycle stage of a robot as an asset, independent of its status."""

    PLANNED = "planned", "Planned"
    COMMISSIONING = "commissioning", "Commissioning"
    ACTIVE = "active", "Active"
    MAINTENANCE = "maintenance", "Maintenance"
    RETIRED = "retired", "Retired"


# The stages that may follow each stage. Retirement and the return from it are actions of their
# own, with other consequences and permissions.
LIFECYCLE_TRANSITIONS: dict[str, frozenset[Lifecycle]] = {
    Lifecycle.PLANNED: frozenset({Lifecycle.COMMISSIONING, Lifecycle.RETIRED}),
    Lifecycle.COMMISSIONING: frozenset({Lifecycle.PLANNED, Lifecycle.ACTIVE, Lifecycle.RETIRED}),
    Lifecycle.ACTIVE: frozenset(
        {Lifecycle.COMMISSIONING, Lifecycle.MAINTENANCE, Lifecycle.RETIRED}
    ),
    Lifecycle.MAINTENANCE: frozenset(
        {Lifecycle.COMMISSIONING, Lifecycle.ACTIVE, Lifecycle.RETIRED}
    ),
    Lifecycle.RETIRED: frozenset({Lifecycle.ACTIVE}),
}


def next_stages(lifecycle: str) -> frozenset[Lifecycle]:
    """Return the stages in service that may follow a stage."""
    if lifecycle == Lifecycle.RETIRED:
        return frozenset()
    return LIFECYCLE_TRANSITIONS[lifecycle] - {Lifecycle.RETIRED}


def common_stages(stages: Iterable[str]) -> list[Lifecycle]:
    """Return the stages in service that may follow each of several stages.

    A stage follows itself.
    """
    current = set(stages)
    return [
        stage
        for stage in Lifecycle
        if stage != Lifecycle.RETIRED
        and all(stage == each or stage in next_stages(each) for each in current)
    ]


class Vendor(models.TextChoices):
    """Known vendors; the column also accepts any other name."""

    UNIVERSAL_ROBOTS = "universal_robots", "Universal Robots"
    KUKA = "kuka", "KUKA"
    ABB = "abb", "ABB"
    FANUC = "fanuc", "FANUC"
    YASKAWA = "yaskawa", "Yaskawa"
    KAWASAKI = "kawasaki", "Kawasaki"
    DOOSAN = "doosan", "Doosan"
    TECHMAN = "techman", "Techman"
    STAUBLI = "staubli", "Stäubli"
    MIR = "mir", "MiR"
    OTTO = "otto", "OTTO"
    CUSTOM = "custom", "Custom"


def vendor_label(vendor: str | None) -> str:
    """Return a vendor's display name; an unknown vendor keeps its text."""
    return str(dict(Vendor.choices).get(vendor or "", vendor or ""))


class Capability(models.TextChoices):
    """Work that a robot is equipped for."""

    WELDING = "welding", "Welding"
    PAINTING = "painting", "Painting"
    ASSEMBLY = "assembly", "Assembly"
    MATERIAL_HANDLING = "material_handling", "Material handling"
    MACHINE_TENDING = "machine_tending", "Machine tending"
    PACKAGING = "packaging", "Packaging"
    PALLETIZING = "palletizing", "Palletizing"
    INSPECTION = "inspection", "Inspection"
    TRANSPORT = "transport", "Transport"
    CUSTOM = "custom", "Custom"


class ConnectionProtocol(models.TextChoices):
    """Protocol in which the platform reaches a robot's controller."""

    RTDE = "rtde", "RTDE"
    DASHBOARD = "dashboard", "Dashboard server"
    ROBOT_WEB_SERVICES = "robot_web_services", "Robot Web Services"
    ETHERNET_KRL = "ethernet_krl", "EthernetKRL"
    HIGH_SPEED_ETHERNET = "high_speed_ethernet", "High-Speed Ethernet Server"
    AS_TERMINAL = "as_terminal", "AS terminal"
    DRFL = "drfl", "DRFL"
    LISTEN_NODE = "listen_node", "Listen node"
    SOAP = "soap", "SOAP"
    OPC_UA = "opc_ua", "OPC UA"
    MODBUS_TCP = "modbus_tcp", "Modbus TCP"
    MQTT = "mqtt", "MQTT"
    VDA5050 = "vda5050", "VDA 5050"
    HTTP = "http", "HTTP"
    HTTPS = "https", "HTTPS"
    ROSBRIDGE = "rosbridge", "rosbridge"


class ConnectionSecret(models.TextChoices):
    """Secret of a robot's connection; stored encrypted."""

    PASSWORD = "password", "Password"
    TOKEN = "token", "Token"
    PRIVATE_KEY = "private_key", "Private key"


class CommandType(models.TextChoices):
    """Kind of command."""

    START = "start", "Start"
    STOP = "stop", "Stop"
    PAUSE = "pause", "Pause"
    RESUME = "resume", "Resume"
    EMERGENCY_STOP = "emergency_stop", "Stop request"
    RESET = "reset", "Reset"
    MOVE_TO_POSITION = "move_to_position", "Move to position"
    RUN_PROGRAM = "run_program", "Run program"
    LOAD_PROGRAM = "load_program", "Load program"
    SET_SPEED = "set_speed", "Set speed"
    CALIBRATE = "calibrate", "Calibrate"
    UPDATE_FIRMWARE = "update_firmware", "Update firmware"
    CUSTOM = "custom", "Custom"


class CommandPriority(models.TextChoices):
    """Priority of a command, lowest first."""

    LOW = "low", "Low"
    NORMAL = "normal", "Normal"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class CommandStatus(models.TextChoices):
    """State of a command."""

    PENDING = "pending", "Pending"
    PENDING_APPROVAL = "pending_approval", "Pending approval"
    SENT = "sent", "Sent"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    EXECUTING = "executing", "Executing"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"
    TIMEOUT = "timeout", "Timeout"
    UNKNOWN = "unknown", "Unknown"


class CommandOutcome(models.TextChoices):
    """Result of a command that a robot reports."""

    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    REJECTED = "rejected", "Rejected"


# Commands that can set a robot in motion. One of them at a time is in flight per robot.
MOTION_TYPES = frozenset(
    {
        CommandType.START,
        CommandType.RESUME,
        CommandType.MOVE_TO_POSITION,
        CommandType.RUN_PROGRAM,
        CommandType.CALIBRATE,
        CommandType.SET_SPEED,
    }
)

# The statuses that may follow each status. A trigger enforces the same table (SQL function
# `is_command_transition`); the robot or a user moves a command out of `unknown`.
COMMAND_TRANSITIONS: Mapping[CommandStatus, frozenset[CommandStatus]] = {
    CommandStatus.PENDING_APPROVAL: frozenset(
        {
            CommandStatus.PENDING,
            CommandStatus.REJECTED,
            CommandStatus.CANCELLED,
            CommandStatus.TIMEOUT,
        }
    ),
    CommandStatus.PENDING: frozenset(
        {
            CommandStatus.SENT,
            CommandStatus.REJECTED,
            CommandStatus.CANCELLED,
            CommandStatus.TIMEOUT,
        }
    ),
    CommandStatus.SENT: frozenset(
        {
            CommandStatus.ACKNOWLEDGED,
            CommandStatus.EXECUTING,
            CommandStatus.COMPLETED,
            CommandStatus.FAILED,
            CommandStatus.REJECTED,
            CommandStatus.UNKNOWN,
        }
    ),
    CommandStatus.ACKNOWLEDGED: frozenset(
        {
            CommandStatus.EXECUTING,
            CommandStatus.COMPLETED,
            CommandStatus.FAILED,
            CommandStatus.REJECTED,
            CommandStatus.UNKNOWN,
        }
    ),
    CommandStatus.EXECUTING: frozenset(
        {CommandStatus.COMPLETED, CommandStatus.FAILED, CommandStatus.UNKNOWN}
    ),
    CommandStatus.UNKNOWN: frozenset({CommandStatus.COMPLETED, CommandStatus.FAILED}),
    CommandStatus.COMPLETED: frozenset(),
    CommandStatus.FAILED: frozenset(),
    CommandStatus.CANCELLED: frozenset(),
    CommandStatus.REJECTED: frozenset(),
    CommandStatus.TIMEOUT: frozenset(),
}
FINAL_STATUSES = tuple(status for status, after in COMMAND_TRANSITIONS.items() if not after)
# The platform has not handed the command over.
WAITING_STATUSES = (CommandStatus.PENDING_APPROVAL, CommandStatus.PENDING)
# The robot has the command and owes an answer.
ANSWERABLE_STATUSES = (CommandStatus.SENT, CommandStatus.ACKNOWLEDGED, CommandStatus.EXECUTING)
# The robot may execute the command. `unknown` counts until the robot or a user settles it.
IN_FLIGHT_STATUSES = (*ANSWERABLE_STATUSES, CommandStatus.UNKNOWN)

# Time from creation, or from the scheduled time, until a command expires. The database enforces
# the maximum (SQL function `command_max_lifetime`).
DEFAULT_MOTION_LIFETIME = timedelta(seconds=30)
MAX_MOTION_LIFETIME = timedelta(minutes=5)
DEFAULT_LIFETIME = timedelta(minutes=10)
MAX_LIFETIME = timedelta(hours=24)
# A second user approves a command within this time.
APPROVAL_PERIOD = timedelta(minutes=10)


# Types that a second user approves if the organization asks for it. A reset needs it after a stop
# request only.
APPROVED_TYPES = frozenset({CommandType.UPDATE_FIRMWARE, CommandType.RESET})

STOP_REQUEST_NOTICE = (
    "A stop request is a request over a network and not a safety device. If people are in danger,"
    " use the emergency stop at the robot."
)


def may_follow(status: str | None, after: str) -> bool:
    """Return whether a command's status may change; NULL counts as pending."""
    return after in COMMAND_TRANSITIONS[CommandStatus(status or CommandStatus.PENDING)]


class ServiceState(StrEnum):
    """Whether a robot is in service."""

    IN_SERVICE = "in_service"
    RETIRED = "retired"


class RobotAction(StrEnum):
    """Action that depends on whether a robot is in service."""

    REPORT_STATUS = "report_status"
    RETIRE = "retire"
    RETURN_TO_SERVICE = "return_to_service"
    CHANGE_LIFECYCLE = "change_lifecycle"
    PURGE = "purge"


# The states in which each action is allowed, for the admin, the API and the services.
TRANSITIONS: dict[RobotAction, frozenset[ServiceState]] = {
    RobotAction.REPORT_STATUS: frozenset({ServiceState.IN_SERVICE}),
    RobotAction.RETIRE: frozenset({ServiceState.IN_SERVICE}),
    RobotAction.RETURN_TO_SERVICE: frozenset({ServiceState.RETIRED}),
    RobotAction.CHANGE_LIFECYCLE: frozenset({ServiceState.IN_SERVICE}),
    RobotAction.PURGE: frozenset({ServiceState.RETIRED}),
}


def allows(action: RobotAction, state: ServiceState) -> bool:
    """Return whether an action is allowed in a state."""
    return state in TRANSITIONS[action]


class RobotImportStatus(models.TextChoices):
    """State of an import of robots."""

    CHECKING = "checking", "Checking"
    CHECKED = "checked", "Checked, not started"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class RobotImportMode(models.TextChoices):
    """What an import of robots does about bad rows."""

    GOOD_ROWS = "good_rows", "Import the good rows"
    ALL_OR_NOTHING = "all_or_nothing", "All or nothing"


class RowOutcome(models.TextChoices):
    """What an import does, or has done, with a row."""

    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    UNCHANGED = "unchanged", "Unchanged"
    BAD = "bad", "Bad"


class RobotImportAction(StrEnum):
    """Action on an import of robots."""

    START = "start"
    RUN = "run"
    CANCEL = "cancel"


ACTIVE_ROBOT_IMPORTS = (RobotImportStatus.CHECKING, RobotImportStatus.RUNNING)
ENDED_ROBOT_IMPORTS = (
    RobotImportStatus.COMPLETED,
    RobotImportStatus.FAILED,
    RobotImportStatus.CANCELLED,
)
# The statuses in which each action is allowed, for the pages, the API and the services.
ROBOT_IMPORT_TRANSITIONS: dict[RobotImportAction, frozenset[RobotImportStatus]] = {
    RobotImportAction.START: frozenset({RobotImportStatus.CHECKED}),
    RobotImportAction.RUN: frozenset(ACTIVE_ROBOT_IMPORTS),
    RobotImportAction.CANCEL: frozenset({RobotImportStatus.CHECKED, *ACTIVE_ROBOT_IMPORTS}),
}
