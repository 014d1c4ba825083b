"""Keep with a sign-in which organization a super admin works in."""

from __future__ import annotations

from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from apps.accounts.auth.requests import current_session_id
from apps.accounts.models import UserSession
from apps.accounts.permissions.active_organization import CHOSEN, ChosenOrganization


def chosen_store(request: HttpRequest, chosen: ChosenOrganization | None) -> None:
    """Keep a choice, or none, with the sign-in that asks; at home, in its transaction.

    Forms that were opened before are refused from now on: what somebody began in one organization
    must not be stored in another.
    """
    value = {"id": str(chosen.id), "name": chosen.name} if chosen else None
    if getattr(request, "token_session_id", None) is not None:
        row = UserSession.objects.select_for_update().get(pk=current_session_id(request))
        row.data = {**row.data, CHOSEN: value}
        row.save(update_fields=["data"])
    else:
        request.session[CHOSEN] = value
        request.session.save()
        rotate_token(request)
    request.chosen_organization = chosen  # type: ignore[attr-defined]
