"""The robot's side of commands: receive, accept once, execute and report."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest

from examples.robotclient import client
from examples.robotclient.client import CommandReceiver, RequestRejected, ServerUnavailable
from examples.robotclient.execution import CommandedState, CommandExecutor


def command_answer(**values: Any) -> tuple[int, dict[str, str], Any]:
    body = {
        "id": str(uuid.uuid4()),
        "type": "pause",
        "payload": {},
        "priority": "normal",
        "expires_in": 20.0,
        "acknowledge_in": 10.0,
    }
    return 200, {}, body | values


def rejected(code: str = "command_state") -> tuple[int, dict[str, str], Any]:
    return 409, {}, {"code": code, "detail": "The command has ended."}


@pytest.fixture
def receiver(platform, tmp_path):
    receiver = CommandReceiver(platform.url, "key", journal=tmp_path / "journal")
    yield receiver
    receiver.close()


def reports(platform, kind):
    return [body for path, body in platform.requests if path.endswith(kind)]


def test_next_without_command_returns_none(receiver, platform):
    platform.answers = [(204, {}, None)]
    assert receiver.next(wait=0) is None


def test_next_with_rejected_key_raises(receiver, platform):
    platform.answers = [(403, {}, {"code": "permission_denied", "detail": "No."})]
    with pytest.raises(RequestRejected, match="403 permission_denied"):
        receiver.next()


def test_command_is_accepted_once(receiver, platform, tmp_path):
    answer = command_answer()
    platform.answers = [answer]
    command = receiver.next()
    assert receiver.accept(command)
    assert not receiver.accept(command)
    restarted = CommandReceiver(platform.url, "key", journal=tmp_path / "journal")
    platform.answers = [answer]
    assert not restarted.accept(restarted.next())
    restarted.close()
    assert len(reports(platform, "acknowledge")) == 1


@pytest.mark.parametrize("period", ["expires_in", "acknowledge_in"])
def test_stale_command_is_refused(receiver, platform, period):
    platform.answers = [command_answer(**{period: 0.05})]
    command = receiver.next()
    time.sleep(0.06)
    assert not receiver.accept(command)
    assert reports(platform, "acknowledge") == []


def test_command_is_refused_if_server_rejects_the_acknowledgement(receiver, platform):
    platform.answers = [command_answer(), rejected()]
    assert not receiver.accept(receiver.next())


def test_acknowledgement_is_repeated_until_the_server_responds(receiver, platform):
    busy = (503, {"Retry-After": "0"}, {"detail": "busy"})
    platform.answers = [command_answer(), busy, busy]
    assert receiver.accept(receiver.next())
    assert len(reports(platform, "acknowledge")) == 1


def test_command_is_refused_if_server_stays_unavailable(receiver, platform):
    platform.answers = [
        command_answer(acknowledge_in=0.3),
        *[(503, {}, {"detail": "busy"})] * 5,
    ]
    assert not receiver.accept(receiver.next())


def execute(platform, *answers, seconds=8.0, results=1):
    """Run an executor until it has reported results; return the status that it asked for."""
    commanded, stop = CommandedState(), threading.Event()
    executor = CommandExecutor(CommandReceiver(platform.url, "key"), commanded, "R-1")
    platform.answers = [*answers]
    thread = threading.Thread(target=executor.run, args=(stop,))
    thread.start()
    end = time.monotonic() + seconds
    while len(reports(platform, "result")) < results and time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    thread.join(10)
    return commanded.take()


def test_executor_reports_progress_and_result(platform):
    commanded = execute(platform, command_answer(type="pause"))
    assert commanded == ("idle", "Command from the platform")
    assert reports(platform, "progress")[0] == {"progress": 0, "text": "Pausing"}
    (result,) = reports(platform, "result")
    assert (result["outcome"], result["error_message"]) == ("completed", None)


def test_executor_rejects_unknown_type(platform):
    assert execute(platform, command_answer(type="dance")) is None
    (result,) = reports(platform, "result")
    assert result["outcome"] == "rejected"
    assert "dance" in result["error_message"]


def test_executor_obeys_stop_request(platform):
    commanded = execute(platform, command_answer(type="emergency_stop"))
    assert commanded == ("emergency_stop", "Stop request from the platform")


def test_result_is_reported_again_after_an_outage(platform, receiver):
    platform.answers = [command_answer()]
    command = receiver.next()
    platform.answers = [(503, {}, {"detail": "busy"})]
    with pytest.raises(ServerUnavailable):
        receiver.report_result(command, "failed", error_message="Gripper lost the part")
    receiver.report_result(command, "failed", error_message="Gripper lost the part")
    (result,) = reports(platform, "result")
    assert result["error_message"] == "Gripper lost the part"


def test_stop_request_interrupts_the_command_that_is_executed(platform):
    running, stop = command_answer(type="calibrate"), command_answer(type="emergency_stop")
    platform.commands = [running, stop]
    commanded = execute(platform, results=2)
    assert commanded == ("emergency_stop", "Stop request from the platform")
    results = [
        (path.split("/")[-2], body["outcome"])
        for path, body in platform.requests
        if path.endswith("result")
    ]
    assert results == [(running[2]["id"], "failed"), (stop[2]["id"], "completed")]


def test_journal_survives_a_torn_line_and_stays_short(receiver, platform, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "_MAX_JOURNAL_IDS", 3)
    journal = tmp_path / "journal"
    journal.write_text("one\ntwo\nthree\nfour\ntorn")
    restarted = CommandReceiver(platform.url, "key", journal=journal)
    platform.answers = [command_answer()]
    command = restarted.next()
    assert restarted.accept(command)
    restarted.close()
    assert journal.read_text().split() == ["three", "four", "torn", command.id]
