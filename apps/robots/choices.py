from __future__ import annotations

from django.db import models


class RobotStatus(models.TextChoices):
    """What is shown of a robot."""

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
    """What a robot may say of itself; the rest is decided here."""

    ONLINE = "online", "Online"
    IDLE = "idle", "Idle"
    RUNNING = "running", "Running"
    CHARGING = "charging", "Charging"
    STOPPED = "stopped", "Stopped"
    ERROR = "error", "Error"
    EMERGENCY_STOP = "emergency_stop", "Emergency stop"


class Lifecycle(models.TextChoices):
    """Where an asset stands between being planned and being retired."""

    PLANNED = "planned", "Planned"
    STAGING = "staging", "Staging"
    ACTIVE = "active", "Active"
    DECOMMISSIONING = "decommissioning", "Decommissioning"
    RETIRED = "retired", "Retired"


class Vendor(models.TextChoices):
    """Known vendors. The column is open: an organization may write its own."""

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


class Capability(models.TextChoices):
    """What a robot is fitted out for."""

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


class CommandType(models.TextChoices):
    """What a robot may be asked to do."""

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
    """Which command goes first, least first."""

    LOW = "low", "Low"
    NORMAL = "normal", "Normal"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"


class CommandStatus(models.TextChoices):
    """Where a command stands."""

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
