"""Going back home from an organization that a super admin has chosen."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.auth.requests import chosen_organization
from apps.organizations.services.platform import organization_leave
from urfmp.common.http.view_flags import acts_at_home
from urfmp.pages.views.rendering import require


@acts_at_home
def leave_organization(request: HttpRequest) -> HttpResponse:
    """Leave the chosen organization; nothing is left where none is chosen."""
    require(request, "organizations.view_platformorganization")
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if (chosen := chosen_organization(request)) is not None:
        organization_leave(request)
        messages.success(request, f"You have left {chosen.name}.")
    return HttpResponseRedirect(reverse("admin:organizations_platformorganization_changelist"))
