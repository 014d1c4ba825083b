"""A super admin who enters and leaves organizations, and the audit rows of that."""

from __future__ import annotations

from django.urls import reverse

from apps.audit.models import AuditLog

LIST = reverse("admin:organizations_platformorganization_changelist")


def enter(client, organization):
    url = reverse("admin:organizations_platformorganization_act", args=[organization.pk, "enter"])
    response = client.post(url)
    assert (response.status_code, response["location"]) == (302, "/admin/"), response.content
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
