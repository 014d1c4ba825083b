"""A command is executed at most once, whichever process is killed."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from apps.robots.choices import FINAL_STATUSES, CommandStatus
from tests.support.command_crash import MAKE_FLEET, Machine, Plant, stored_commands
from tests.support.crash import LIVE_TARGETS, Crashes
from tests.support.server import installation

COMMANDS = int(os.environ.get("URFMP_COMMANDS", "80"))
KILLS = int(os.environ.get("URFMP_COMMAND_KILLS", "4"))
ROBOTS = 8
SETTLED = {*FINAL_STATUSES, CommandStatus.UNKNOWN}
# Acknowledgements are due in 10 s, and the job runs each 5 s. In the long form on a busy machine
# commands wait until they expire after 10 minutes.
SETTLING_SECONDS = 900


@pytest.fixture
def server():
    with installation(live=True, workers=2) as running:
        yield running


def test_commands_are_executed_at_most_once(server, tmp_path):
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201 - to repeat the run
    words = server.manage("shell", "-v0", "-c", MAKE_FLEET.format(robots=ROBOTS)).split()
    fleet = [(words[i + 1], words[i + 2]) for i, word in enumerate(words) if word == "ROBOT"]
    plant_key = words[words.index("PLANT") + 1]
    machines = [
        Machine(server, key, str(tmp_path / f"journal{number}"), seed + number)
        for number, (_, key) in enumerate(fleet)
    ]
    plants = [
        Plant(server, plant_key, robot_id, COMMANDS // ROBOTS, seed - number)
        for number, (robot_id, _) in enumerate(fleet)
    ]
    crashes = Crashes(server, seed, LIVE_TARGETS)
    try:
        for thread in (*machines, *plants):
            thread.start()
        while any(plant.is_alive() for plant in plants):
            if sum(crashes.killed.values()) < KILLS:
                crashes.run(1, first=sum(crashes.killed.values()))
            progress = sum(len(plant.created) for plant in plants)
            _pause_until(plants, progress + COMMANDS // (KILLS + 1))
        while sum(crashes.killed.values()) < KILLS:
            crashes.run(1, first=sum(crashes.killed.values()))
        _settled(server)
        for machine in machines:
            machine.stop_requested.set()
        for machine in machines:
            machine.join(60)
            assert not machine.is_alive()
    finally:
        crashes.stop()

    statuses = stored_commands(server)
    created = set().union(*(plant.created for plant in plants))
    executed = sum((machine.executed for machine in machines), Counter[str]())
    received = sum((machine.received for machine in machines), Counter[str]())
    dropped = set().union(*(machine.dropped for machine in machines))
    print(Counter(statuses.values()), crashes.killed, len(dropped))  # noqa: T201
    assert set(statuses) == created  # none is lost, and none was created twice
    assert set(statuses.values()) <= SETTLED
    assert max(received.values()) == 1  # handed over once
    completed = {pk for pk, status in statuses.items() if status == CommandStatus.COMPLETED}
    assert executed == Counter(completed)
    assert {statuses[pk] for pk in dropped} == {CommandStatus.UNKNOWN}
    assert sum(crashes.killed.values()) == KILLS
    refused = sum((plant.refused for plant in plants), Counter[str]())
    assert set(refused) <= {"409 motion_in_flight"}, refused
    assert len(created) + sum(refused.values()) == COMMANDS // ROBOTS * ROBOTS


def _pause_until(plants, created):
    """Wait until the plants have created so many commands, or are done."""
    while any(plant.is_alive() for plant in plants):
        if sum(len(plant.created) for plant in plants) >= created:
            return
        time.sleep(0.05)


def _settled(server):
    """Wait until every command has ended or is unknown."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while time.monotonic() < deadline:
        statuses = stored_commands(server)
        if set(statuses.values()) <= SETTLED:
            return
        time.sleep(0.5)
    raise AssertionError(Counter(statuses.values()))
