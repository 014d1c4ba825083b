"""Own sessions of the user, with logout of other devices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from apps.accounts.auth.requests import current_session_id
from apps.accounts.models import UserSession
from apps.accounts.selectors.sessions import own_sessions
from apps.accounts.services.sessions import session_revoke, sessions_revoke_others
from urfmp.common.http.view_policy import view_policy
from urfmp.pages.views.rendering import render_page

_OTHERS = "others"


@view_policy(home_organization=True)
def own_sessions_page(request: HttpRequest) -> HttpResponse:
    """List the user's own sessions.

    `?end=` asks for confirmation before one or all other sessions are ended. Users of any role
    may view and end their own sessions.
    """
    current = current_session_id(request)
    sessions: list[UserSession] = list(own_sessions(request.user))
    others = [session for session in sessions if session.pk != current]
    if request.method == "POST":
        return _end_sessions(request, request.POST.get("end", ""), others, current)
    selection = request.GET.get("end", "")
    return render_page(
        request,
        "pages/own_sessions.html",
        "My sessions",
        sessions=sessions,
        others=others,
        current=current,
        selection=selection,
        selected=_find_session(selection, others) if selection not in {"", _OTHERS} else None,
    )


def _end_sessions(
    request: HttpRequest, selection: str, others: list[UserSession], current: UUID | None
) -> HttpResponse:
    if selection == _OTHERS:
        user: Any = request.user
        count = sessions_revoke_others(user, keep=current)
        messages.success(request, f"Signed out on {count} other device{'' if count == 1 else 's'}.")
    else:
        session = _find_session(selection, others)
        session_revoke(session)
        messages.success(request, f"Signed out of {session.device}.")
    return HttpResponseRedirect(reverse("admin:own_sessions_page"))


def _find_session(session_id: str, others: list[UserSession]) -> UserSession:
    for session in others:
        if str(session.pk) == session_id:
            return session
    raise Http404
