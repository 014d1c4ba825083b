"""Going back home from an organization that a super admin has chosen."""

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
    """Leave the chosen organization; nothing is left where none is chosen."""
    require_permission(request, "organizations.view_platformorganization")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if (chosen := get_active_organization(request)) is not None:
        organization_switch_back(current_session(request), chosen)
        set_active_organization(request, None)
        messages.success(request, f"You have left {chosen.name}.")
    return HttpResponseRedirect(reverse("admin:organizations_platformorganization_changelist"))
