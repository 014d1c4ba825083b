"""Claim codes: created by a user, exchanged once by a robot for its own API key."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import segno
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.exceptions import PlanLimitError, TooManyAttemptsError
from apps.accounts.models import ApiKey
from apps.accounts.models.idempotency import IdempotencyRecord
from apps.accounts.selectors.credentials import key_credential
from apps.accounts.services.api_keys import api_key_revoke
from apps.accounts.services.quotas import PLAN_LIMITS
from apps.accounts.services.users import user_update
from apps.audit.models import AuditLog
from apps.robots.exceptions import InvalidClaimCodeError, RobotHasKeyError, RobotRetiredError
from apps.robots.models import RobotClaimCode
from apps.robots.selectors.claim_codes import generate_claim_code, hash_claim_code
from apps.robots.services.claim_codes import (
    CLAIMED_KEY_SCOPES,
    claim_code_create,
    claim_code_exchange,
    claim_code_revoke,
    expired_claim_codes_delete,
)
from apps.robots.services.robots import robot_retire, robot_return_to_service
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import Actor

ACTOR = Actor(ip_address="192.0.2.7")
URL = "/api/v1/device/claim"


@pytest.fixture
def robot(organization_a, make_robot):
    return make_robot(organization_a, name="Welder", lifecycle="planned")


@pytest.fixture
def create(alice, robot, organization_a, tenant):
    """Return a function that creates a claim code of the robot."""

    def make():
        with tenant(organization_a, Actor(user_id=alice.pk)):
            return claim_code_create(robot=robot, created_by=alice)[1]

    return make


@pytest.fixture
def code(create):
    return create()


def exchange(code):
    return claim_code_exchange(ACTOR, code=code)


def records(tenant, organization, action="robots.claim_code.exchange"):
    with tenant(organization):
        return list(AuditLog.objects.filter(action=action).order_by("seq"))


@given(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=16, max_size=16), st.data())
def test_code_is_read_as_people_type_it(code, data):
    typed = [
        data.draw(st.sampled_from([c, c.lower(), *{"0": "oO", "1": "iIlL"}.get(c, "")]))
        for c in code
    ]
    separator = data.draw(st.sampled_from(["", "-", " "]))
    assert hash_claim_code(separator.join(typed)) == hash_claim_code(code) is not None


def test_generated_code_is_well_formed():
    assert hash_claim_code(generate_claim_code())


@pytest.mark.parametrize("text", ["", "-", "7K3M", "U" * 16, "A" * 17, "ä" * 16, "\x00" * 16])
def test_malformed_code_has_no_digest(text):
    assert hash_claim_code(text) is None


def test_exchange_creates_key_bound_to_robot(code, robot, organization_a, tenant):
    claimed = exchange(code.lower())
    credential = key_credential(claimed.key)
    assert (credential.organization_id, credential.robot_id) == (organization_a.pk, robot.pk)
    assert credential.scopes == CLAIMED_KEY_SCOPES
    with tenant(organization_a):
        robot.refresh_from_db()
        assert robot.lifecycle == "commissioning"
        assert not RobotClaimCode.objects.exists()
        assert ApiKey.objects.get(robot=robot).user.is_system
    acts = {(row.resource_type, row.before is None) for row in records(tenant, organization_a)}
    assert acts == {("claim_code", False), ("api_key", True), ("robot", False)}


def test_exchange_keeps_stage_of_active_robot(make_robot, organization_a, alice, tenant):
    robot = make_robot(organization_a)
    with tenant(organization_a):
        _, code = claim_code_create(robot=robot, created_by=alice)
    assert exchange(code).robot.lifecycle == "active"


def test_exchange_twice_is_refused_and_audited(code, robot, organization_a, tenant):
    exchange(code)
    with pytest.raises(InvalidClaimCodeError):
        exchange(code)


def revoked(robot, alice, create):
    claim_code_revoke(robot)
    return "used or revoked"


def retired(robot, alice, create):
    robot_retire(robot)
    return "used or revoked"


def returned(robot, alice, create):
    robot_retire(robot)
    robot_return_to_service(robot)
    return "used or revoked"


def expired(robot, alice, create):
    RobotClaimCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return "expired"


def author_lost_rights(robot, alice, create):
    RobotClaimCode.objects.update(created_by=create)
    return "may no longer"


@pytest.mark.parametrize("change", [revoked, retired, returned, expired, author_lost_rights])
def test_exchange_of_ended_code_is_refused(
    change, code, robot, alice, bob, organization_a, tenant, make_user
):
    with tenant(organization_a):
        reason = change(robot, alice, bob)
    with pytest.raises(InvalidClaimCodeError) as caught:
        exchange(code)
    assert caught.value.message == InvalidClaimCodeError().message
    with tenant(organization_a):
        assert not ApiKey.objects.filter(robot=robot).exists()
    if reason != "used or revoked":  # else the code is unknown
        (row,) = records(tenant, organization_a)
        assert not row.success
        assert reason in row.error_message
        assert row.resource_id == robot.pk


def test_exchange_author_deactivated_is_refused(
    code, robot, alice, make_user, organization_a, tenant
):
    make_user(organization_a, "admin")
    with tenant(organization_a):
        user_update(alice, is_active=False)
    with pytest.raises(InvalidClaimCodeError):
        exchange(code)


def test_new_code_replaces_previous(code, create, robot):
    second = create()
    with pytest.raises(InvalidClaimCodeError):
        exchange(code)
    assert exchange(second).robot == robot


def test_create_for_robot_with_key_is_refused(create, robot, organization_a, tenant):
    exchange(create())
    with pytest.raises(RobotHasKeyError):
        create()
    with tenant(organization_a):
        api_key_revoke(ApiKey.objects.get(robot=robot))
    assert exchange(create()).robot == robot


def test_create_for_retired_robot_is_refused(create, robot, organization_a, tenant):
    with tenant(organization_a):
        robot_retire(robot)
    with pytest.raises(RobotRetiredError):
        create()


def test_exchange_beyond_plan_keeps_code(
    make_organization, make_user, make_robot, tenant, monkeypatch
):
    monkeypatch.setitem(PLAN_LIMITS["free"], "api_keys", 1)
    small = make_organization(plan="free")
    robot, other = make_robot(small), make_robot(small)
    user = make_user(small)
    with tenant(small):
        codes = [claim_code_create(robot=r, created_by=user)[1] for r in (robot, other)]
    exchange(codes[0])
    with pytest.raises(PlanLimitError):
        exchange(codes[1])
    with tenant(small):
        assert RobotClaimCode.objects.count() == 1
        api_key_revoke(ApiKey.objects.get())
    assert exchange(codes[1]).robot == other


def test_platform_staff_connect_robot(root, robot, organization_a, tenant):
    with tenant(organization_a, Actor(user_id=root.pk)):
        _, code = claim_code_create(robot=robot, created_by=root)
    assert exchange(code).robot == robot


@pytest.mark.django_db(transaction=True)
def test_exchange_in_parallel_has_one_winner(code, robot, organization_a, tenant):
    results = run_concurrently(*[lambda: exchange(code)] * 50)
    winners = [r for r in results if not isinstance(r, Exception)]
    assert [winner.robot.pk for winner in winners] == [robot.pk]
    assert {type(r) for r in results if isinstance(r, Exception)} == {InvalidClaimCodeError}
    with tenant(organization_a):
        assert ApiKey.objects.filter(robot=robot).count() == 1


def test_exchange_counts_wrong_codes_only(code, monkeypatch):
    monkeypatch.setattr("apps.accounts.throttling._MAX_CLAIMS_PER_NETWORK", 2)
    with pytest.raises(InvalidClaimCodeError):
        exchange(generate_claim_code())
    exchange(code)
    with pytest.raises(InvalidClaimCodeError):
        exchange(generate_claim_code())
    with pytest.raises(TooManyAttemptsError):
        exchange(generate_claim_code())
    claim_code_exchange_elsewhere = Actor(ip_address="198.51.100.9")
    with pytest.raises(InvalidClaimCodeError):
        claim_code_exchange(claim_code_exchange_elsewhere, code=generate_claim_code())


def test_code_is_stored_and_audited_as_digest(code, organization_a, tenant):
    with tenant(organization_a):
        row = RobotClaimCode.objects.get()
        assert row.code_digest == hash_claim_code(code)
    (created,) = records(tenant, organization_a, "robots.claim_code.create")
    assert created.after["code_digest"] == "[secret]"


def test_clean_up_deletes_expired_codes(code, organization_a, tenant):
    with tenant(organization_a):
        assert expired_claim_codes_delete() == 0
        RobotClaimCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert expired_claim_codes_delete() == 1


def test_api_creates_exchanges_and_revokes(robot, alice, client_for):
    client = client_for(alice)
    address = f"/api/v1/robots/{robot.pk}/claim-code"
    created = client.post(address)
    assert created.status_code == 201
    assert created["Cache-Control"] == "no-store"
    code = created.json()["code"]
    claimed = Client().post(URL, {"code": code}, content_type="application/json")
    assert claimed.status_code == 201, claimed.content
    assert claimed["Cache-Control"] == "no-store"
    assert claimed.json()["robot_name"] == "Welder"
    key = claimed.json()["key"]
    report = Client(headers={"x-api-key": key}).post(
        "/api/v1/device/status", {"status": "online"}, content_type="application/json"
    )
    assert report.json() == {"status": "online"}
    again = Client().post(URL, {"code": code}, content_type="application/json")
    wrong = Client().post(URL, {"code": generate_claim_code()}, content_type="application/json")
    assert again.status_code == wrong.status_code == 400
    assert again.json()["code"] == "claim_refused"
    assert {k: v for k, v in again.json().items() if k != "instance"} == {
        k: v for k, v in wrong.json().items() if k != "instance"
    }
    assert client.post(address).json()["code"] == "robot_has_key"
    assert client.delete(address).status_code == 204


def test_api_repeated_create_does_not_repeat_code(robot, alice, client_for, organization_a, tenant):
    client = client_for(alice)
    address = f"/api/v1/robots/{robot.pk}/claim-code"
    first, second = (
        client.post(address, content_type="application/json", headers={"idempotency-key": "k"})
        for _ in range(2)
    )
    assert first.json()["code"]
    assert second.json() == {**first.json(), "code": None}
    with tenant(organization_a):
        assert first.json()["code"] not in IdempotencyRecord.objects.get().answer


@pytest.mark.parametrize("body", [{}, {"code": 1, "x": 2}, {"code": "x" * 51}, {"code": None}, []])
def test_api_exchange_of_bad_body_is_invalid(db, body):
    answer = Client().post(URL, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


def test_page_shows_code_and_qr_once(robot, alice, client_for):
    client = client_for(alice)
    page = f"/admin/robots/robot/{robot.pk}/connect/"
    assert "Create a claim code" in client.get(page).content.decode()
    created = client.post(page, {"do": "create"})
    assert "no-store" in created["Cache-Control"]
    code, text = created.context["code"], created.content.decode()
    qr = segno.make_qr(f"http://testserver{page}#{code}", error="m").svg_data_uri(
        scale=5, light="#fff"
    )
    assert created.context["qr_code"] == qr
    assert code in text
    assert "--server http://testserver --claim" in text
    later = client.get(page).content.decode()
    assert "Waiting for the robot" in later
    assert code not in later
    exchange(code)
    assert "has its API key" in client.get(page).content.decode()


def test_page_without_permission_shows_no_button(robot, bob, client_for):
    client = client_for(bob)
    page = f"/admin/robots/robot/{robot.pk}/connect/"
    assert "Ask an administrator" in client.get(page).content.decode()
    assert client.post(page, {"do": "create"}).status_code == 403


def test_page_revokes_code(robot, code, alice, client_for):
    client = client_for(alice)
    page = f"/admin/robots/robot/{robot.pk}/connect/"
    client.post(page, {"do": "revoke"})
    with pytest.raises(InvalidClaimCodeError):
        exchange(code)


def test_added_robot_leads_to_connection(organization_a, alice, client_for):
    answer = client_for(alice).post(
        "/admin/robots/robot/add/",
        {"name": "New", "vendor": "kuka", "lifecycle": "planned"},
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert answer["location"].endswith("/connect/")


def test_client_file_runs_with_standard_library_alone(db, tmp_path):
    answer = Client().get("/admin/robots/client.py")
    file = tmp_path / "urfmp_client.py"
    file.write_bytes(answer.content)
    done = subprocess.run(
        [sys.executable, "-I", "-S", file, "--server", "http://127.0.0.1:9", "--claim", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "The robot was not connected: The server does not respond" in done.stderr
    assert [path.name for path in Path(tmp_path).iterdir()] == ["urfmp_client.py"]
