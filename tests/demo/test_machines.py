from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from examples.robotclient.behaviour import GRACE_SECONDS, Behaviour, SlotPool
from examples.robotclient.machines import Arm, Mobile, machine_for


def drive(machine, serial: str, hours: float, silence_slots: SlotPool | None = None):
    behaviour = Behaviour(serial, machine, silence_slots or SlotPool(2))
    for _ in range(int(hours * 3600)):
        state = behaviour.step(1)
        machine.advance(1, state.status)
        yield state, machine


def test_arm_readings_stay_within_bounds():
    for number, (state, arm) in enumerate(drive(Arm("A-1", payload_kg=12), "A-1", 3)):
        if number % 60:
            continue
        values = {name: value for name, value, _ in arm.fast_readings() + arm.slow_readings()}
        assert -3.2 < values["joint.1.angle"] < 3.2
        assert abs(values["joint.2.current"]) < 12
        assert 15 < values["temperature.motor.joint3"] < 60
        assert values["program.running"] == (state.status == "running")


def test_arm_advance_warms_motors_and_counts_cycles():
    arm = Arm("A-2")
    before = {name: value for name, value, _ in arm.slow_readings()}
    cycles = arm.cycles
    arm.advance(1, "running")
    after = {name: value for name, value, _ in arm.slow_readings()}
    name = "temperature.motor.joint1"
    assert abs(after[name] - before[name]) < 0.6
    arm.advance(7200, "running")
    assert {n: v for n, v, _ in arm.slow_readings()}[name] > before[name] + 4
    assert arm.cycles > cycles + 100


def test_mobile_discharges_and_charges():
    mobile = Mobile("M-1", x_m=20, y_m=15)
    seen = set()
    for state, machine in drive(mobile, "M-1", 12):
        assert 4 <= machine.battery_percent <= 100
        x, y, _ = machine.position
        assert 0 < x <= 20.1
        assert 0 < y <= 15.1
        seen.add(state.status)
    assert {"running", "charging"} <= seen


def test_machine_same_serial_number_gives_same_readings():
    first = [machine.fast_readings() for _, machine in drive(Arm("A-3"), "A-3", 0.2)]
    assert first == [machine.fast_readings() for _, machine in drive(Arm("A-3"), "A-3", 0.2)]
    assert first != [machine.fast_readings() for _, machine in drive(Arm("A-4"), "A-4", 0.2)]


def test_behaviour_limits_silent_robots():
    silence_slots = SlotPool(2)
    fleet = [Behaviour(f"S-{n}", Arm(f"S-{n}"), silence_slots) for n in range(24)]
    ever, since = 0, {}
    for second in range(4 * 3600):
        silent = set()
        for robot in fleet:
            state = robot.step(1)
            if not (state.has_power and state.has_link):
                silent.add(robot)
        assert len(silent) <= 2
        for robot in silent - set(since):
            since[robot] = second
        for robot in set(since) - silent:
            assert 39 <= second - since.pop(robot) <= 121
        if second < GRACE_SECONDS:
            assert not silent
        ever = max(ever, len(silent))
    assert ever == 2


def test_machine_restore_continues_from_stored_values():
    arm = Arm("A-5")
    arm.restore({"cycle.count": 2_000_000.0, "temperature.motor.joint1": 41.5})
    assert arm.cycles == 2_000_000
    assert {n: v for n, v, _ in arm.slow_readings()}["temperature.motor.joint1"] > 41
    mobile = Mobile("M-2")
    mobile.restore({"battery.charge": 33.0})
    assert mobile.battery_percent == 33


def test_machine_for_matches_robot():
    assert isinstance(machine_for("X", {"capabilities": ["transport"]}, None), Mobile)
    arm = machine_for("X", {"axes": 4, "payload": 185, "capabilities": ["palletizing"]}, None)
    assert sum(name.endswith(".angle") for name, *_ in arm.fast_readings()) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulate_stops_within_a_second(tmp_path, number):
    keys = tmp_path / "keys.json"
    keys.write_text('{"A-1": "a", "A-2": "b"}')
    command = ["manage.py", "simulate", "--url", "http://127.0.0.1:9", "--keys", str(keys)]
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        first = process.stdout.readline()
        began = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert "2 robots send" in first
    assert process.returncode == 0, output
    # One second, plus a margin for a busy machine.
    assert time.monotonic() - began < 8
    assert "Stopped" in output
