"""Where the person is signed in, and how to end it from here."""

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
    """List the person's own sign-ins; `?end=` asks before one, or all others, are ended.

    Everybody who is signed in may see and end their own, whatever the role.
    """
    current = current_session_id(request)
    sessions: list[UserSession] = list(own_sessions(request.user))
    others = [session for session in sessions if session.pk != current]
    if request.method == "POST":
        return _end_sessions(request, request.POST.get("end", ""), others, current)
    wanted = request.GET.get("end", "")
    return render_page(
        request,
        "pages/own_sessions.html",
        "Where you are signed in",
        sessions=sessions,
        others=others,
        current=current,
        wanted=wanted,
        chosen=_find_session(wanted, others) if wanted not in {"", _OTHERS} else None,
    )


def _end_sessions(
    request: HttpRequest, wanted: str, others: list[UserSession], current: UUID | None
) -> HttpResponse:
    if wanted == _OTHERS:
        user: Any = request.user
        count = sessions_revoke_others(user, keep=current)
        messages.success(request, f"Signed out on {count} other device{'' if count == 1 else 's'}.")
    else:
        session = _find_session(wanted, others)
        session_revoke(session)
        messages.success(request, f"Signed out: {session.device}.")
    return HttpResponseRedirect(reverse("admin:own_sessions_page"))


def _find_session(wanted: str, others: list[UserSession]) -> UserSession:
    for session in others:
        if str(session.pk) == wanted:
            return session
    raise Http404
