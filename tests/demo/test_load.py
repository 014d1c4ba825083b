from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from apps.accounts.choices import Role
from apps.accounts.models import ApiKey, User
from apps.accounts.selectors.credentials import key_credential
from apps.alerts.models import Alert
from apps.audit.models import AuditLog
from apps.maintenance.models import MaintenanceTask
from apps.organizations.selectors import organization_by_slug
from apps.robots.models import Robot, RobotCommand, RobotStatusHistory
from apps.telemetry.models import RobotTelemetry
from urfmp.common.tenancy.context import tenant_transaction
from urfmp.demo import load as module
from urfmp.demo.credentials import CredentialsFile, readable_password
from urfmp.demo.organization import DEMO_ORGANIZATION

pytestmark = pytest.mark.django_db

_COUNTED_MODELS = (User, ApiKey, Robot, RobotCommand, RobotStatusHistory, RobotTelemetry)
_COUNTED_MODELS += (MaintenanceTask, Alert, AuditLog)


def load(path: Path, days: int = 1) -> str:
    output = StringIO()
    call_command("load_demo_fleet", credentials=path, days=days, stdout=output)
    return output.getvalue()


def counts(slug: str = DEMO_ORGANIZATION) -> dict[str, int]:
    with tenant_transaction(organization_by_slug(slug)):
        return {model.__name__: model.objects.count() for model in _COUNTED_MODELS}


def test_load_twice_loads_fleet_once(tmp_path):
    path = tmp_path / "demo.json"
    load(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text, before = path.read_text(), counts()
    assert before["Robot"] == 24
    assert before["RobotTelemetry"] > 50_000
    assert counts("padaria-atlantica")["Robot"] == 3
    with tenant_transaction(organization_by_slug(DEMO_ORGANIZATION)):
        robots = list(Robot.objects.all())
        assert len({robot.vendor for robot in robots}) >= 6
        assert len({robot.facility for robot in robots}) == 3
        for robot in robots:
            last = RobotStatusHistory.objects.filter(robot=robot).order_by("-time").first()
            assert last.status == robot.status
        assert len(set(Alert.objects.values_list("severity", flat=True))) == 4
        assert len(set(MaintenanceTask.objects.values_list("status", flat=True))) == 8
        roles = set(User.objects.filter(is_active=True).values_list("role", flat=True))
        assert roles == set(Role) - {Role.SUPER_ADMIN}
    assert "already loaded" in load(path)
    assert path.read_text() == text
    assert counts() == before


def test_load_credentials_are_valid(tmp_path):
    path = tmp_path / "demo.json"
    load(path)
    data = json.loads(path.read_text())
    assert len(data["device_keys"]) == 27
    assert data["organization"] == DEMO_ORGANIZATION
    assert {user["role"] for user in data["users"]} == set(Role)
    for user in [*data["users"], data["login"]]:
        assert len(user["password"]) >= 15
        assert authenticate(username=user["email"], password=user["password"]), user["email"]
    for serial, key in data["device_keys"].items():
        credential = key_credential(key)
        with tenant_transaction(credential.organization_id):
            assert Robot.objects.get(pk=credential.robot_id).serial_number == serial


def test_load_lost_file_renews_passwords_and_keys(tmp_path):
    path = tmp_path / "demo.json"
    load(path)
    before = json.loads(path.read_text())
    path.unlink()
    assert "renewed" in load(path)
    after = json.loads(path.read_text())
    assert after["login"]["password"] != before["login"]["password"]
    assert authenticate(username=after["login"]["email"], password=after["login"]["password"])
    for serial, key in before["device_keys"].items():
        assert key_credential(key) is None
        assert key_credential(after["device_keys"][serial]) is not None


def test_load_after_interruption_completes(tmp_path, monkeypatch):
    path = tmp_path / "demo.json"
    save = CredentialsFile.save

    def interrupt(self: CredentialsFile) -> None:
        save(self)
        if self.device_key("UR5E-20230518"):
            raise KeyboardInterrupt

    monkeypatch.setattr(CredentialsFile, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(path)
    assert organization_by_slug(DEMO_ORGANIZATION) is None
    assert organization_by_slug("padaria-atlantica") is not None
    monkeypatch.undo()
    password = json.loads(path.read_text())["login"]["password"]
    load(path)
    data = json.loads(path.read_text())
    assert data["login"]["password"] == password
    assert all(key_credential(key) for key in data["device_keys"].values())


def test_load_failure_leaves_no_partial_organization(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "past_commands", lambda context: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        load(tmp_path / "demo.json")
    assert organization_by_slug("padaria-atlantica") is None
    assert not transaction.get_connection().needs_rollback
    assert connection.is_usable()


@pytest.mark.parametrize("days", [0, 91])
def test_load_days_out_of_range_fails(tmp_path, days):
    with pytest.raises(CommandError, match="between 1 and 90"):
        load(tmp_path / "demo.json", days)


def test_readable_passwords_are_long_and_unique():
    passwords = {readable_password() for _ in range(100)}
    assert len(passwords) == 100
    assert min(map(len, passwords)) >= 20
