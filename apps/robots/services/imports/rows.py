"""Apply one row of an import to a robot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, models, transaction

from apps.accounts.models import ApiKey, User
from apps.accounts.permissions.roles import scopes_have_permission
from apps.accounts.selectors.credentials import is_super_admin
from apps.robots.choices import Lifecycle, RowOutcome
from apps.robots.models import Robot, RobotImport, RobotImportRow
from apps.robots.protocols.fleet_files.columns import COLUMNS, Column, column_of_error
from apps.robots.selectors.connection import plain_connection
from apps.robots.services.lifecycle import robot_change_lifecycle
from apps.robots.services.robots import robot_register, robot_update
from urfmp.common.db.names import normalize_identifier, normalize_name
from urfmp.common.exceptions import ApplicationError
from urfmp.common.tenancy.context import audit_action

_ACTION = "robots.robot.import"
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Rights:
    """What the author of an import may do.

    Attributes:
        create: Whether rows may add robots.
        update: Whether rows may change robots.
    """

    create: bool
    update: bool


def import_rights(robot_import: RobotImport) -> Rights:
    """Return what the author of an import may do now."""
    return Rights(
        *(_has_permission(robot_import, f"robots.{action}_robot") for action in ("add", "change"))
    )


def _has_permission(robot_import: RobotImport, permission: str) -> bool:
    if robot_import.created_by_key_id is not None:
        key = ApiKey.objects.filter(pk=robot_import.created_by_key_id).first()
        return key is not None and key.is_valid and scopes_have_permission(key.scopes, permission)
    user = User.objects.filter(pk=robot_import.created_by_id).first()
    if user is None:
        author_id = robot_import.created_by_id
        return author_id is not None and is_super_admin(author_id)
    return bool(user.is_active and user.has_perm(permission))


@dataclass(frozen=True)
class RowResult:
    """What was done with a row.

    Attributes:
        outcome: One of `RowOutcome`.
        errors: Errors by column, if it is bad.
    """

    outcome: str
    errors: dict[str, str]


class KnownRobots:
    """Robots that the rows of a batch name, locked."""

    def __init__(self, rows: Iterable[RobotImportRow]) -> None:
        """Read and lock the robots; one query.

        Rows of robots are locked in the order of their ids, as others do that change several.
        """
        values = [row.values for row in rows]
        ids = [key for value in values if (key := _uuid(value.get("id")))]
        numbers = [
            normalize_identifier(number)
            for value in values
            if (number := value.get("serial_number"))
        ]
        named = models.Q(pk__in=ids) | models.Q(serial_number__in=numbers)
        found = list(Robot.objects.select_for_update(no_key=True).filter(named).order_by("pk"))
        self._by_id: dict[UUID, Robot] = {robot.pk: robot for robot in found}
        self._by_number: dict[str, Robot] = {robot.serial_number: robot for robot in found}

    def find(self, values: dict[str, Any]) -> Robot | None:
        """Return the robot of a row, or None for a new one.

        Raises:
            ValidationError: The row names the id of a robot that does not exist.
        """
        if values.get("id"):
            key = _uuid(values["id"])
            if key is None or key not in self._by_id:
                raise ValidationError({"id": "No robot has this id. Leave it empty to add one."})
            return self._by_id[key]
        return self._by_number.get(normalize_identifier(values.get("serial_number") or ""))


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text)
    except (TypeError, ValueError):
        return None


def row_apply(row: RobotImportRow, known: KnownRobots, rights: Rights) -> RowResult:
    """Add or change the robot of a row, in a savepoint.

    Nothing of a bad row remains.
    """
    try:
        with transaction.atomic(), audit_action(_ACTION):
            return RowResult(_apply(row, known, rights), {})
    except ValidationError as error:
        return RowResult(RowOutcome.BAD, _errors_by_column(error))
    except ApplicationError as error:
        return RowResult(RowOutcome.BAD, {"": error.message})
    except (DataError, IntegrityError):
        return RowResult(RowOutcome.BAD, {"": "The database rejects a value of this row."})


def _errors_by_column(error: ValidationError) -> dict[str, str]:
    if not hasattr(error, "error_dict"):
        return {"": " ".join(error.messages)}
    errors: dict[str, str] = {}
    for path, messages in error.message_dict.items():
        column = column_of_error(path)
        errors[column] = " ".join(filter(None, (errors.get(column), *messages)))
    return errors


def _apply(row: RobotImportRow, known: KnownRobots, rights: Rights) -> str:
    robot = known.find(row.values)
    if robot is None:
        if not rights.create:
            raise ValidationError("You do not have the permission to add robots.")  # noqa: EM101
        fields = changed_fields(Robot(), row.values)
        fields.pop("lifecycle", None)
        robot_register(
            organization_id=row.organization_id,
            lifecycle=row.values.get("lifecycle") or Lifecycle.ACTIVE,
            **fields,
        )
        return RowOutcome.CREATE
    changes = changed_fields(robot, row.values)
    if not changes:
        return RowOutcome.UNCHANGED
    if not rights.update:
        raise ValidationError("You do not have the permission to change robots.")  # noqa: EM101
    lifecycle = changes.pop("lifecycle", None)
    robot_update(robot, **changes)
    if lifecycle is not None:
        robot_change_lifecycle(robot, lifecycle=lifecycle)
    return RowOutcome.UPDATE


def changed_fields(robot: Robot, values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a row changes, with their new values.

    A column that the row lacks keeps its value; an empty cell empties it. Parts of JSON columns
    that have no column of their own are kept.

    Args:
        robot: Stored robot, or an empty one.
        values: Values by column.
    """
    changes: dict[str, Any] = {}
    for column in COLUMNS:
        if column.name in values and column.name != "id":
            _change(robot, column, values[column.name], changes)
    return {
        name: _pruned(value) or None if name == "connection_config" else value
        for name, value in changes.items()
        if not _is_same(robot, name, value)
    }


def _change(robot: Robot, column: Column, value: Any, changes: dict[str, Any]) -> None:
    """Set the value of a column in the changed fields."""
    name, *keys = column.path
    if not keys:
        if name in {"name", "vendor"}:
            changes[name] = value or ""
        elif value is not None or name != "lifecycle":
            changes[name] = value
        return
    part = changes.setdefault(name, _copy(_stored(robot, name)))
    for key in keys[:-1]:
        part[key] = _copy(part.get(key))
        part = part[key]
    key = keys[-1]
    old = part.get(key)
    is_same = old in _EMPTY if value is None else isinstance(old, str) and old.strip() == value
    if is_same:
        return
    if value is None:
        part.pop(key, None)
    else:
        part[key] = normalize_name(value) if key in {"facility", "area", "cell"} else value


def _copy(part: Any) -> dict[str, Any]:
    return dict(part) if isinstance(part, dict) else {}


def _stored(robot: Robot, name: str) -> Any:
    value = getattr(robot, name)
    return plain_connection(value) if name == "connection_config" else value


def _is_same(robot: Robot, name: str, value: Any) -> bool:
    """Return whether a field has a value already."""
    stored = _stored(robot, name)
    if isinstance(value, dict):
        return _pruned(value) == _pruned(stored)
    if value in _EMPTY:
        return stored in _EMPTY
    field: Any = Robot._meta.get_field(name)
    return bool(field.to_python(value) == stored)


def _pruned(part: Any) -> dict[str, Any]:
    """Return a part of a JSON column without coordinates that are empty."""
    copy = _copy(part)
    if copy.get("coordinates", True) in _EMPTY:
        copy.pop("coordinates")
    return copy
