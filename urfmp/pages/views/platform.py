"""Leaving an organization that a super admin has switched to."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.auth.requests import (
    current_session,
    get_active_organization,
    set_active_organization,
)
from apps.organizations.services.platform import organization_switch_back
from urfmp.common.http.view_policy import view_policy
from urfmp.pages.views.rendering import require_permission


@view_policy(home_organization=True)
def leave_organization(request: HttpRequest) -> HttpResponse:
    """Switch back to the home organization, if another one is active."""
    require_permission(request, "organizations.view_platformorganization")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if (active := get_active_organization(request)) is not None:
        organization_switch_back(current_session(request), active)
        set_active_organization(request, None)
        messages.success(request, f"You have left {active.name}.")
    return HttpResponseRedirect(reverse("admin:organizations_platformorganization_changelist"))
