"""The specified schema as data; the database may have more.

Types are spelled as in the catalog, defaults as SQL that PostgreSQL evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass

UUID = "uuid"
TEXT = "text"
BOOLEAN = "boolean"
INTEGER = "integer"
DOUBLE = "double precision"
TIMESTAMP = "timestamp with time zone"
JSONB = "jsonb"
INET = "inet"
TEXT_ARRAY = "text[]"
MONEY = "numeric(10,2)"
NOW = "now()"
RANDOM_UUID = "gen_random_uuid()"


def varchar(length: int) -> str:
    return f"character varying({length})"


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool = True
    default: str | None = None


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key; `on_delete` is the catalog's letter: a for no action, c for cascade."""

    name: str
    column: str
    target: str
    on_delete: str = "a"


@dataclass(frozen=True)
class Index:
    name: str
    columns: tuple[str, ...]
    predicate: str | None = None


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    unique: tuple[str, ...] = ()
    primary_key: str | None = "id"


@dataclass(frozen=True)
class View:
    columns: tuple[tuple[str, str], ...]
    query: str


@dataclass(frozen=True)
class Trigger:
    """A trigger; it may fire on more than the specified `events`."""

    name: str
    table: str
    timing: str
    events: frozenset[str]
    function: str


@dataclass(frozen=True)
class Hypertable:
    name: str
    column: str
    keep: str


_ID = Column("id", UUID, nullable=False, default=RANDOM_UUID)
_CREATED = Column("created_at", TIMESTAMP, default=NOW)
_UPDATED = Column("updated_at", TIMESTAMP, default=NOW)

TABLES: dict[str, Table] = {
    "users": Table(
        columns=(
            _ID,
            Column("email", varchar(255), nullable=False),
            Column("password_hash", varchar(255), nullable=False),
            Column("first_name", varchar(100)),
            Column("last_name", varchar(100)),
            Column("role", varchar(50), nullable=False, default="'operator'"),
            Column("organization_id", UUID, nullable=False),
            Column("is_active", BOOLEAN, default="true"),
            Column("email_verified", BOOLEAN, default="false"),
            Column("last_login_at", TIMESTAMP),
            _CREATED,
            _UPDATED,
        ),
        foreign_keys=(ForeignKey("fk_users_organization", "organization_id", "organizations"),),
        indexes=(
            Index("idx_users_email", ("email",)),
            Index("idx_users_organization", ("organization_id",)),
            Index("idx_users_role", ("role",)),
        ),
        unique=("email",),
    ),
    "user_sessions": Table(
        columns=(
            _ID,
            Column("user_id", UUID, nullable=False),
            Column("session_token", varchar(255), nullable=False),
            Column("refresh_token", varchar(255)),
            Column("expires_at", TIMESTAMP, nullable=False),
            _CREATED,
            Column("last_activity_at", TIMESTAMP, default=NOW),
            Column("ip_address", INET),
            Column("user_agent", TEXT),
        ),
        foreign_keys=(ForeignKey("fk_sessions_user", "user_id", "users", "c"),),
        indexes=(
            Index("idx_sessions_token", ("session_token",)),
            Index("idx_sessions_user", ("user_id",)),
            Index("idx_sessions_expires", ("expires_at",)),
        ),
        unique=("session_token", "refresh_token"),
    ),
    "organizations": Table(
        columns=(
            _ID,
            Column("name", varchar(255), nullable=False),
            Column("slug", varchar(100), nullable=False),
            Column("description", TEXT),
            Column("settings", JSONB, default="'{}'"),
            Column("plan", varchar(50), default="'free'"),
            Column("is_active", BOOLEAN, default="true"),
            _CREATED,
            _UPDATED,
        ),
        indexes=(
            Index("idx_organizations_slug", ("slug",)),
            Index("idx_organizations_plan", ("plan",)),
        ),
        unique=("slug",),
    ),
    "robots": Table(
        columns=(
            _ID,
            Column("organization_id", UUID, nullable=False),
            Column("name", varchar(255), nullable=False),
            Column("model", varchar(100)),
            Column("vendor", varchar(50), nullable=False),
            Column("serial_number", varchar(100)),
            Column("firmware_version", varchar(50)),
            Column("status", varchar(50), default="'offline'"),
            Column("location", JSONB),
            Column("configuration", JSONB, nullable=False),
            Column("connection_config", JSONB),
            Column("last_seen", TIMESTAMP),
            Column("is_active", BOOLEAN, default="true"),
            _CREATED,
            _UPDATED,
        ),
        foreign_keys=(ForeignKey("fk_robots_organization", "organization_id", "organizations"),),
        indexes=(
            Index("idx_robots_organization", ("organization_id",)),
            Index("idx_robots_status", ("status",)),
            Index("idx_robots_vendor", ("vendor",)),
            Index("idx_robots_last_seen", ("last_seen",)),
        ),
    ),
    "robot_commands": Table(
        columns=(
            _ID,
            Column("robot_id", UUID, nullable=False),
            Column("user_id", UUID),
            Column("type", varchar(50), nullable=False),
            Column("payload", JSONB, default="'{}'"),
            Column("priority", varchar(20), default="'normal'"),
            Column("status", varchar(50), default="'pending'"),
            Column("scheduled_at", TIMESTAMP),
            Column("executed_at", TIMESTAMP),
            Column("completed_at", TIMESTAMP),
            Column("error_message", TEXT),
            Column("result", JSONB),
            _CREATED,
        ),
        foreign_keys=(
            ForeignKey("fk_commands_robot", "robot_id", "robots", "c"),
            ForeignKey("fk_commands_user", "user_id", "users"),
        ),
        indexes=(
            Index("idx_commands_robot", ("robot_id",)),
            Index("idx_commands_status", ("status",)),
            Index("idx_commands_created", ("created_at",)),
        ),
    ),
    "robot_telemetry": Table(
        columns=(
            Column("time", TIMESTAMP, nullable=False),
            Column("robot_id", UUID, nullable=False),
            Column("metric_name", varchar(100), nullable=False),
            Column("value", DOUBLE),
            Column("unit", varchar(20)),
            Column("metadata", JSONB),
        ),
        foreign_keys=(ForeignKey("fk_telemetry_robot", "robot_id", "robots", "c"),),
        indexes=(
            Index("idx_telemetry_robot_time", ("robot_id", "time DESC")),
            Index("idx_telemetry_metric", ("metric_name", "time DESC")),
        ),
        primary_key=None,
    ),
    "robot_status_history": Table(
        columns=(
            Column("time", TIMESTAMP, nullable=False, default=NOW),
            Column("robot_id", UUID, nullable=False),
            Column("status", varchar(50), nullable=False),
            Column("previous_status", varchar(50)),
            Column("reason", TEXT),
            Column("metadata", JSONB),
        ),
        foreign_keys=(ForeignKey("fk_status_history_robot", "robot_id", "robots", "c"),),
        indexes=(Index("idx_status_history_robot", ("robot_id", "time DESC")),),
        primary_key=None,
    ),
    "maintenance_tasks": Table(
        columns=(
            _ID,
            Column("robot_id", UUID),
            Column("title", varchar(255), nullable=False),
            Column("description", TEXT),
            Column("type", varchar(50), nullable=False),
            Column("priority", varchar(20), default="'medium'"),
            Column("status", varchar(50), default="'scheduled'"),
            Column("assigned_to", UUID),
            Column("scheduled_at", TIMESTAMP),
            Column("started_at", TIMESTAMP),
            Column("completed_at", TIMESTAMP),
            Column("estimated_duration", INTEGER),
            Column("actual_duration", INTEGER),
            Column("cost", MONEY),
            Column("parts_used", JSONB),
            Column("notes", TEXT),
            Column("created_by", UUID, nullable=False),
            _CREATED,
            _UPDATED,
        ),
        foreign_keys=(
            ForeignKey("fk_maintenance_robot", "robot_id", "robots"),
            ForeignKey("fk_maintenance_assigned", "assigned_to", "users"),
            ForeignKey("fk_maintenance_created", "created_by", "users"),
        ),
        indexes=(
            Index("idx_maintenance_robot", ("robot_id",)),
            Index("idx_maintenance_status", ("status",)),
            Index("idx_maintenance_scheduled", ("scheduled_at",)),
        ),
    ),
    "alerts": Table(
        columns=(
            _ID,
            Column("robot_id", UUID),
            Column("type", varchar(50), nullable=False),
            Column("severity", varchar(20), nullable=False),
            Column("title", varchar(255), nullable=False),
            Column("message", TEXT, nullable=False),
            Column("source", varchar(100)),
            Column("metadata", JSONB),
            Column("is_acknowledged", BOOLEAN, default="false"),
            Column("acknowledged_by", UUID),
            Column("acknowledged_at", TIMESTAMP),
            Column("is_resolved", BOOLEAN, default="false"),
            Column("resolved_at", TIMESTAMP),
            _CREATED,
        ),
        foreign_keys=(
            ForeignKey("fk_alerts_robot", "robot_id", "robots"),
            ForeignKey("fk_alerts_acknowledged", "acknowledged_by", "users"),
        ),
        indexes=(
            Index("idx_alerts_robot", ("robot_id",)),
            Index("idx_alerts_severity", ("severity",)),
            Index("idx_alerts_created", ("created_at",)),
            Index("idx_alerts_unresolved", ("is_resolved", "created_at"), "NOT is_resolved"),
        ),
    ),
    "api_keys": Table(
        columns=(
            _ID,
            Column("organization_id", UUID, nullable=False),
            Column("user_id", UUID, nullable=False),
            Column("name", varchar(255), nullable=False),
            Column("key_hash", varchar(255), nullable=False),
            Column("key_prefix", varchar(20), nullable=False),
            Column("permissions", TEXT_ARRAY, default="'{}'"),
            Column("rate_limit", INTEGER, default="1000"),
            Column("is_active", BOOLEAN, default="true"),
            Column("last_used_at", TIMESTAMP),
            Column("expires_at", TIMESTAMP),
            _CREATED,
        ),
        foreign_keys=(
            ForeignKey("fk_api_keys_organization", "organization_id", "organizations"),
            ForeignKey("fk_api_keys_user", "user_id", "users"),
        ),
        indexes=(
            Index("idx_api_keys_hash", ("key_hash",)),
            Index("idx_api_keys_organization", ("organization_id",)),
        ),
        unique=("key_hash",),
    ),
    "audit_logs": Table(
        columns=(
            _ID,
            Column("organization_id", UUID),
            Column("user_id", UUID),
            Column("action", varchar(100), nullable=False),
            Column("resource_type", varchar(50)),
            Column("resource_id", UUID),
            Column("ip_address", INET),
            Column("user_agent", TEXT),
            Column("request_data", JSONB),
            Column("response_data", JSONB),
            Column("success", BOOLEAN, nullable=False),
            Column("error_message", TEXT),
            _CREATED,
        ),
        foreign_keys=(
            ForeignKey("fk_audit_organization", "organization_id", "organizations"),
            ForeignKey("fk_audit_user", "user_id", "users"),
        ),
        indexes=(
            Index("idx_audit_organization", ("organization_id",)),
            Index("idx_audit_user", ("user_id",)),
            Index("idx_audit_created", ("created_at",)),
            Index("idx_audit_action", ("action",)),
        ),
    ),
}

# The queries are the specification's own; a view must return the same rows.
VIEWS: dict[str, View] = {
    "robot_status_current": View(
        columns=(
            ("robot_id", UUID),
            ("status", varchar(50)),
            ("status_changed_at", TIMESTAMP),
            ("reason", TEXT),
            ("metadata", JSONB),
        ),
        query="""
            SELECT DISTINCT ON (robot_id)
                robot_id, status, time AS status_changed_at, reason, metadata
            FROM robot_status_history
            ORDER BY robot_id, time DESC
        """,
    ),
    "maintenance_summary": View(
        columns=(
            ("robot_id", UUID),
            ("total_tasks", "bigint"),
            ("completed_tasks", "bigint"),
            ("overdue_tasks", "bigint"),
            ("total_cost", "numeric"),
            ("avg_duration", "numeric"),
        ),
        query="""
            SELECT robot_id,
                COUNT(*) AS total_tasks,
                COUNT(*) FILTER (WHERE status = 'completed') AS completed_tasks,
                COUNT(*) FILTER (WHERE status = 'overdue') AS overdue_tasks,
                SUM(cost) AS total_cost,
                AVG(actual_duration) AS avg_duration
            FROM maintenance_tasks
            GROUP BY robot_id
        """,
    ),
}

FUNCTIONS: tuple[str, ...] = ("update_updated_at_column", "log_robot_status_change")

_UPDATE = frozenset({"UPDATE"})
TRIGGERS: tuple[Trigger, ...] = (
    *(
        Trigger(f"update_{name}_updated_at", table, "BEFORE", _UPDATE, FUNCTIONS[0])
        for name, table in (
            ("users", "users"),
            ("robots", "robots"),
            ("organizations", "organizations"),
            ("maintenance", "maintenance_tasks"),
        )
    ),
    Trigger("robot_status_change_trigger", "robots", "AFTER", _UPDATE, FUNCTIONS[1]),
)

HYPERTABLES: tuple[Hypertable, ...] = (
    Hypertable("robot_telemetry", "time", "1 year"),
    Hypertable("robot_status_history", "time", "2 years"),
)
