"""Processes whose clock is five minutes wrong: the database's clock decides."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.robots.models import Robot
from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from urfmp.common.db.clock import database_time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[-300, 300], ids=["behind", "ahead"])
def wrong_clock(request, monkeypatch):
    """Shift the clock of this process."""
    shift, now, seconds = request.param, timezone.now, time.time
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(seconds=shift))
    monkeypatch.setattr(time, "time", lambda: seconds() + shift)
    return shift


def test_expired_command_is_not_handed_over(commanded, wrong_clock):
    commanded.create("start")
    commanded.pass_time(31)
    commanded.create("pause")
    commanded.pass_time(599)
    assert commanded.claim().type == "pause"
    commanded.create("pause")
    commanded.pass_time(601)
    assert commanded.claim() is None
    assert commanded.do(commands_expire) == 2


def test_robot_that_was_offline_gets_nothing_expired(commanded, wrong_clock):
    commanded.create("pause")
    commanded.do(Robot.objects.filter(pk=commanded.robot.pk).update, status="offline")
    commanded.pass_time(601)
    assert commanded.claim() is None
    assert commanded.create("pause").pk == commanded.claim().pk


def test_scheduled_command_waits_until_it_is_due(commanded, wrong_clock):
    command = commanded.create("pause", scheduled_at=database_time() + timedelta(seconds=100))
    assert commanded.claim() is None
    commanded.pass_time(100)
    assert commanded.claim().pk == command.pk


def test_schedule_of_a_motion_command_is_due_by_the_database(commanded, wrong_clock):
    """The checks of a due command run at its creation, those of a later one at its hand-over."""
    commanded.create("start")
    assert commanded.claim()
    later = database_time() + timedelta(seconds=100)
    assert commanded.create("start", scheduled_at=later).status == "pending"


def test_request_repeated_after_the_expiry_is_rejected(commanded, wrong_clock):
    asked_at = database_time()
    first = commanded.create("start", scheduled_at=asked_at)
    assert first.expires_at == asked_at + timedelta(seconds=30)
    assert commanded.claim().pk == first.pk
    with pytest.raises(ValidationError, match="expired already"):
        commanded.create("pause", scheduled_at=asked_at - timedelta(hours=25))


def test_acknowledgement_is_due_by_the_database(commanded, wrong_clock):
    commanded.create("pause")
    assert commanded.claim()
    commanded.pass_time(9)
    assert commanded.do(commands_mark_unknown) == 0
    commanded.pass_time(2)
    assert commanded.do(commands_mark_unknown) == 1
