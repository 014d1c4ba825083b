"""A super admin who chooses and leaves organizations, and what the records say of it."""

from __future__ import annotations

from django.urls import reverse

from apps.audit.models import AuditLog

LIST = reverse("admin:organizations_platformorganization_changelist")


def enter(client, organization):
    address = reverse(
        "admin:organizations_platformorganization_act", args=[organization.pk, "enter"]
    )
    answer = client.post(address)
    assert (answer.status_code, answer["location"]) == (302, "/admin/"), answer.content
    return client


def leave(client):
    return client.post(reverse("admin:leave_organization"))


def recorded(organization, tenant, verb):
    with tenant(organization):
        return list(
            AuditLog.objects.filter(action=f"organizations.organization.{verb}").values_list(
                "user_id", "resource_id"
            )
        )


def names(client, route="robots"):
    return {row["name"] for row in client.get(f"/api/v1/{route}").json()["results"]}
