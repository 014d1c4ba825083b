"""Expected errors and their problem details."""

from __future__ import annotations

import json

import pytest

from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.problem_details import problem_for


def test_further_members_are_in_the_problem_details():
    body = json.loads(problem_for(ApplicationError("No.", command_status="sent")).body)
    assert (body["detail"], body["status"], body["command_status"]) == ("No.", 409, "sent")


@pytest.mark.parametrize("name", ["type", "title", "status", "code", "detail", "retry_after"])
def test_further_member_cannot_replace_a_standard_one(name):
    with pytest.raises(TypeError, match=name):
        ApplicationError("No.", **{name: "x"})
