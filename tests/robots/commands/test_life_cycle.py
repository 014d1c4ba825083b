"""The life cycle of commands: in the database, and against a model in plain Python."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.robots.choices import (
    COMMAND_TRANSITIONS,
    DEFAULT_LIFETIME,
    DEFAULT_MOTION_LIFETIME,
    FINAL_STATUSES,
    IN_FLIGHT_STATUSES,
    MAX_LIFETIME,
    MAX_MOTION_LIFETIME,
    MOTION_TYPES,
    CommandStatus,
    CommandType,
)
from apps.robots.exceptions import CommandStateError, MotionInFlightError
from apps.robots.models import RobotCommand
from apps.robots.services.commands.decisions import command_cancel, command_settle
from apps.robots.services.commands.expiry import commands_expire, commands_mark_unknown
from apps.robots.services.commands.reports import (
    command_acknowledge,
    command_report_progress,
    command_report_result,
)

WAITING = {"pending"}
ANSWERABLE = {"sent", "acknowledged", "executing"}


def test_database_has_the_same_transitions_as_the_services(app_cursor):
    pairs = list(itertools.product(CommandStatus.values, repeat=2))
    for before, after in pairs:
        app_cursor.execute("SELECT is_command_transition(%s, %s)", [before, after])
        assert app_cursor.fetchone()[0] is (after in COMMAND_TRANSITIONS[before]), (before, after)
    app_cursor.execute("SELECT is_command_transition(NULL, 'sent')")
    assert app_cursor.fetchone() == (True,)


def test_database_has_the_same_motion_types_and_lifetimes(app_cursor):
    for type_ in CommandType.values:
        app_cursor.execute("SELECT is_motion_type(%s), command_max_lifetime(%s)", [type_, type_])
        is_motion = type_ in MOTION_TYPES
        maximum = MAX_MOTION_LIFETIME if is_motion else MAX_LIFETIME
        assert app_cursor.fetchone() == (is_motion, maximum)


@pytest.mark.django_db
def test_insert_without_expiry_gets_the_default(commanded):
    def insert(type_):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO robot_commands (robot_id, type) VALUES (%s, %s)"
                " RETURNING expires_at - created_at, lane",
                [commanded.robot.pk, type_],
            )
            return cursor.fetchone()

    assert commanded.do(insert, "start") == (DEFAULT_MOTION_LIFETIME, 3)
    assert commanded.do(insert, "pause") == (DEFAULT_LIFETIME, 3)
    assert commanded.do(insert, "emergency_stop") == (DEFAULT_LIFETIME, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(("type_", "seconds"), [("start", 301), ("pause", 24 * 3600 + 1)])
def test_insert_that_expires_too_late_raises(commanded, type_, seconds):
    def insert():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO robot_commands (robot_id, type, expires_at)"
                " VALUES (%s, %s, now() + make_interval(secs => %s))",
                [commanded.robot.pk, type_, seconds],
            )

    with pytest.raises(IntegrityError, match="expires after at most"):
        commanded.do(insert)


@pytest.mark.django_db
@pytest.mark.parametrize("before", CommandStatus.values)
def test_illegal_change_of_status_in_sql_raises(commanded, before):
    with_command = commanded.do(
        RobotCommand.objects.create,
        organization_id=commanded.organization_id,
        robot=commanded.robot,
        type="pause",
        status=before,
    )

    def change(after):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE robot_commands SET status = %s WHERE id = %s", [after, with_command.pk]
            )
            raise ZeroDivisionError  # undo the change

    for after in CommandStatus.values:
        allowed = after in COMMAND_TRANSITIONS[before] or after == before
        with pytest.raises(ZeroDivisionError if allowed else IntegrityError):
            commanded.do(change, after)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        "type = 'start'",
        """payload = '{"a": 1}'""",
        "expires_at = expires_at + interval '1 second'",
        "scheduled_at = now()",
        "priority = 'high'",
        "robot_id = gen_random_uuid()",
        "user_id = gen_random_uuid()",
    ],
)
def test_change_of_a_stored_command_in_sql_raises(commanded, change):
    command = commanded.create()

    def update():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE robot_commands SET {change} WHERE id = %s", [command.pk])

    with pytest.raises(IntegrityError, match="cannot be changed"):
        commanded.do(update)


@pytest.mark.django_db
def test_change_of_a_final_command_in_sql_raises(commanded):
    command = commanded.create()
    commanded.do(command_cancel, command, None)

    def update():
        with transaction.atomic():
            RobotCommand.objects.filter(pk=command.pk).update(result={"done": True})

    with pytest.raises(IntegrityError, match="cancelled cannot be changed"):
        commanded.do(update)


@pytest.mark.django_db
def test_second_motion_command_in_flight_in_sql_raises(commanded):
    def insert(status):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO robot_commands (robot_id, type, status) VALUES (%s, 'start', %s)",
                [commanded.robot.pk, status],
            )

    commanded.do(insert, "unknown")
    commanded.do(insert, "completed")
    for status in IN_FLIGHT_STATUSES:
        with pytest.raises(IntegrityError, match="robot_commands_one_motion"):
            commanded.do(insert, status)


class Modelled:
    """A command as the model knows it."""

    def __init__(self, type_, expires):
        self.type, self.status, self.expires = type_, "pending", expires
        self.answer_due, self.claims = None, 0

    @property
    def is_motion(self):
        return self.type in MOTION_TYPES


class LifeCycle(RuleBasedStateMachine):
    """Users, a robot and the jobs act on the commands of one robot in any order."""

    make = None  # registers a robot; set by the test
    user = None

    def __init__(self):
        super().__init__()
        self.robot = type(self).make()
        self.now = 0
        self.commands = {}

    def _in_flight(self):
        return [c for c in self.commands.values() if c.is_motion and c.status in IN_FLIGHT_STATUSES]

    def _pick(self, number):
        if not self.commands:
            return None
        pk = list(self.commands)[number % len(self.commands)]
        return RobotCommand(pk=pk), self.commands[pk]

    def _expect(self, allowed, call):
        if allowed:
            call()
        else:
            with pytest.raises(CommandStateError):
                call()

    @rule(type_=st.sampled_from(["pause", "start", "set_speed", "load_program"]))
    def create(self, type_):
        payload = {"set_speed": {"speed_percent": 5}, "load_program": {"program": "A"}}
        values = {"type": type_, "payload": payload.get(type_, {})}
        if type_ in MOTION_TYPES and self._in_flight():
            with pytest.raises(MotionInFlightError):
                self.robot.create(**values)
            return
        command = self.robot.create(**values)
        lifetime = 30 if type_ in MOTION_TYPES else 600
        self.commands[command.pk] = Modelled(type_, self.now + lifetime)

    @rule()
    def claim(self):
        due = [
            (pk, c)
            for pk, c in self.commands.items()
            if c.status == "pending"
            and c.expires > self.now
            and not (c.is_motion and self._in_flight())
        ]
        found = self.robot.claim()
        assert (found.pk if found else None) == (due[0][0] if due else None)
        if found:
            command = self.commands[found.pk]
            command.status, command.answer_due = "sent", self.now + 10
            command.claims += 1
            assert (found.status, found.sent_at is not None) == ("sent", True)

    @rule(number=st.integers(0, 99))
    def acknowledge(self, number):
        if picked := self._pick(number):
            row, command = picked
            allowed = command.status in ANSWERABLE
            self._expect(allowed, lambda: self.robot.report(command_acknowledge, row))
            if command.status == "sent":
                command.status, command.answer_due = "acknowledged", self.now + 600

    @rule(number=st.integers(0, 99), progress=st.sampled_from([None, 0, 55]))
    def report_progress(self, number, progress):
        if picked := self._pick(number):
            row, command = picked
            allowed = command.status in ANSWERABLE
            self._expect(
                allowed,
                lambda: self.robot.report(command_report_progress, row, progress=progress),
            )
            if allowed:
                command.status, command.answer_due = "executing", self.now + 600

    @rule(number=st.integers(0, 99), outcome=st.sampled_from(["completed", "failed", "rejected"]))
    def report_result(self, number, outcome):
        if picked := self._pick(number):
            row, command = picked
            late = command.status == "unknown"
            stored = "failed" if late and outcome == "rejected" else outcome
            allowed = stored in COMMAND_TRANSITIONS[command.status] and command.claims
            repeated = command.status == outcome and command.claims
            self._expect(
                allowed or repeated,
                lambda: self.robot.report(command_report_result, row, outcome=outcome),
            )
            if allowed:
                command.status, command.answer_due = stored, None

    @rule(number=st.integers(0, 99))
    def cancel(self, number):
        if picked := self._pick(number):
            row, command = picked
            allowed = command.status in WAITING
            self._expect(allowed, lambda: self.robot.do(command_cancel, row, None))
            if allowed:
                command.status = "cancelled"

    @rule(number=st.integers(0, 99), outcome=st.sampled_from(["completed", "failed"]))
    def settle(self, number, outcome):
        if picked := self._pick(number):
            row, command = picked
            allowed = command.status == "unknown"
            self._expect(
                allowed,
                lambda: self.robot.do(
                    command_settle, row, self.user, outcome=outcome, note="Seen at the robot"
                ),
            )
            if allowed:
                command.status = outcome

    @rule(seconds=st.sampled_from([3, 11, 31, 601]))
    def time_passes(self, seconds):
        self.now += seconds
        self.robot.pass_time(seconds)

    @rule()
    def run_jobs(self):
        expired = [
            c for c in self.commands.values() if c.status in WAITING and c.expires <= self.now
        ]
        lost = [
            c for c in self.commands.values() if c.status in ANSWERABLE and c.answer_due <= self.now
        ]
        assert self.robot.do(commands_expire) >= len(expired)
        assert self.robot.do(commands_mark_unknown) >= len(lost)
        for command in expired:
            command.status = "timeout"
        for command in lost:
            command.status = "unknown"

    @invariant()
    def statuses_agree(self):
        rows = self.robot.do(
            lambda: dict(
                RobotCommand.objects.filter(robot=self.robot.robot).values_list("pk", "status")
            )
        )
        assert rows == {pk: c.status for pk, c in self.commands.items()}
        assert all(c.claims <= 1 for c in self.commands.values())
        assert len(self._in_flight()) <= 1


@pytest.mark.django_db(transaction=True)
def test_life_cycle_agrees_with_the_model(organization_a, make_commanded, alice):
    class Machine(LifeCycle):
        make = staticmethod(lambda: make_commanded(organization_a))
        user = alice

    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_status_is_final_or_can_end():
    reachable = set(FINAL_STATUSES)
    while more := {s for s, after in COMMAND_TRANSITIONS.items() if after & reachable} - reachable:
        reachable |= more
    assert reachable == set(CommandStatus)
    assert timedelta(seconds=30) == DEFAULT_MOTION_LIFETIME
