"""Test a served installation against its OpenAPI document with schemathesis.

All checks run, stateful ones too. Excluded are `events`, an endless stream (tests/live), and
`auth/logout`, which revokes the run's own session (tests/accounts). `positive_data_acceptance` does
not accept any 400; `rejected_for_a_reason` in hooks.py accepts the legitimate ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT, installation

PASSWORD = "correct horse battery staple"
MAKE_KEYS = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.accounts.services.api_keys import api_key_create
from apps.accounts.permissions.roles import SCOPES
from apps.accounts.services.users import system_user_get
from urfmp.common.tenancy.context import tenant_transaction
organization_id = user_organization_id("a@acme.example")
with tenant_transaction(organization_id):
    for name, is_wanted in (("read_key", True), ("write_key", False)):
        scopes = [scope for scope in SCOPES if scope.endswith(":read") is is_wanted]
        _, key = api_key_create(organization_id=organization_id, name=name, permissions=scopes,
                                user=system_user_get(organization_id=organization_id),
                                rate_limit=None)
        print(name + "=" + key)
"""
EXCLUDED_PATHS = (
    "/api/v1/events",
    "/api/v1/device/commands/events",
    "/api/v1/auth/logout",
    "/prometheus/api/v1/write",  # protobuf, which schemathesis cannot generate
)
# The admin can reach most operations and gets more examples; keys soon get 403.
RUNS = {
    "admin": ["--phases", "examples,fuzzing,stateful", "--max-examples", "3"],
    "write_key": ["--phases", "examples,fuzzing,stateful", "--max-examples", "2"],
    "read_key": ["--phases", "examples,fuzzing,stateful", "--max-examples", "2"],
}


class Target:
    """A served installation, its document and the credentials of its callers."""

    def __init__(self, server) -> None:
        self.server = server
        made = server.manage("shell", "-v0", "-c", MAKE_KEYS).split()
        self.credentials = dict(line.split("=", 1) for line in made if "=" in line)
        body = json.dumps({"email": "a@acme.example", "password": PASSWORD}).encode()
        status, _, answer, _ = server.call(
            "/api/v1/auth/login", body, **{"Content-Type": "application/json"}
        )
        assert status == 200, answer
        self.credentials["admin"] = json.loads(answer)["access_token"]
        self.own_session = next(
            row["id"] for row in self.get("admin", "auth/sessions")["results"] if row["is_current"]
        )
        self.document = Path(server.state) / "openapi.json"
        self.document.write_text(json.dumps(self.get("admin", "schema?format=json")))

    def get(self, who, path):
        headers = {"Authorization": f"Bearer {self.credentials[who]}"}
        status, _, answer, _ = self.server.call(f"/api/v1/{path}", **headers)
        assert status == 200, (who, path, answer[:300])
        return json.loads(answer)


@pytest.fixture(scope="module")
def target():
    with installation(workers=2) as server:
        yield Target(server)


@pytest.mark.parametrize("who", RUNS)
def test_responses_conform_to_the_document(who, target, tmp_path):
    excluded = [part for path in EXCLUDED_PATHS for part in ("--exclude-path", path)]
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(Path(__file__).with_name("schemathesis.toml")),
            "run", str(target.document),
            "--url", target.server.url,
            "--header", f"Authorization: Bearer {target.credentials[who]}",
            "--checks", "all", "--exclude-checks", "positive_data_acceptance", *excluded,
            "--seed", "1", "--continue-on-failure", "--request-timeout", "15",
            "--no-color", "--no-shrink", "--warnings", "off", *RUNS[who],
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.fuzzing.hooks",
            "FUZZING_OWN_SESSION": target.own_session,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    # The credentials still work: the run did not consist of 401 alone.
    assert target.get(who, "schema?format=json")
