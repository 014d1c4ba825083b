"""Changes of tables with secrets are audited without the secrets."""

from __future__ import annotations

import pytest
from django.utils import timezone

from apps.accounts.choices import LinkPurpose
from apps.accounts.models import Invitation, OneTimeLink, SecondFactor
from apps.audit.models import AuditLog
from apps.robots.choices import ConnectionSecret
from apps.robots.models import Robot

SECRET, OTHER_SECRET = "hush-" + "a" * 20, "hush-" + "b" * 20


def link(user):
    return OneTimeLink(
        organization_id=user.organization_id,
        user=user,
        purpose=LinkPurpose.values[0],
        token_digest=SECRET,
        expires_at=timezone.now(),
    )


def invitation(user):
    return Invitation(
        organization_id=user.organization_id,
        email="new@x.example",
        token_digest=SECRET,
        expires_at=timezone.now(),
    )


def factor(user):
    return SecondFactor(
        organization_id=user.organization_id, user=user, seed=SECRET, recovery_digests=[SECRET]
    )


@pytest.mark.parametrize(
    ("make", "resource", "changes"),
    [
        (link, "accounts.link", {"token_digest": OTHER_SECRET}),
        (invitation, "accounts.invitation", {"token_digest": OTHER_SECRET}),
        (
            factor,
            "accounts.second_factor",
            {"seed": OTHER_SECRET, "recovery_digests": [OTHER_SECRET]},
        ),
    ],
)
def test_secret_columns_are_masked(make, resource, changes, alice, organization_a, tenant):
    with tenant(organization_a):
        row = make(alice)
        row.save(force_insert=True)
        type(row).objects.filter(pk=row.pk).update(**changes)
        row.delete()
        rows = AuditLog.objects.filter(action__startswith=resource)
        by_verb = {entry.action.rpartition(".")[2]: entry for entry in rows}
        assert set(by_verb) == {"create", "update", "delete"}
        for name in changes:
            assert by_verb["create"].after[name] == "[secret]"
            assert by_verb["update"].before[name] == by_verb["update"].after[name] == "[secret]"
            assert by_verb["delete"].before[name] == "[secret]"
        assert "hush" not in str([(entry.before, entry.after) for entry in rows])


@pytest.mark.parametrize("name", ConnectionSecret)
def test_connection_secrets_are_masked(name, organization_a, make_robot, tenant):
    robot = make_robot(organization_a)

    def config(secret):
        encrypted = {"value": f"v1.1.{secret}{'A' * 20}", "set_at": "2026-01-01T00:00:00+00:00"}
        return {"protocol": "rtde", "host": "h", "secrets": {str(name): encrypted}}

    with tenant(organization_a):
        for secret in (SECRET, OTHER_SECRET):
            Robot.objects.filter(pk=robot.pk).update(connection_config=config(secret))
        Robot.objects.filter(pk=robot.pk).delete()
        rows = AuditLog.objects.filter(
            resource_type="robot", before__connection_config__isnull=False
        )
        assert sorted(row.action.rpartition(".")[2] for row in rows) == [
            "delete", "update", "update",
        ]  # fmt: skip
        for row in rows:
            for side in filter(None, (row.before, row.after)):
                if side["connection_config"] is not None:
                    assert side["connection_config"]["host"] == "h"
                    secret = side["connection_config"]["secrets"][str(name)]
                    assert secret == {"value": "[secret]", "set_at": "2026-01-01T00:00:00+00:00"}
        assert "hush" not in str([(row.before, row.after) for row in rows])
