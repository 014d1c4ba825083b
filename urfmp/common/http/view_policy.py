"""Policies that views declare and that the middleware applies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse

ApiKeyReader = Callable[[HttpRequest], str | None]
ErrorFormat = Callable[[HttpRequest, int, str], HttpResponse]
View = TypeVar("View", bound=Callable[..., object])

_ATTRIBUTE = "view_policy"


@dataclass(frozen=True)
class ViewPolicy:
    """How the middleware treats a view.

    Attributes:
        public: All credentials are ignored. Otherwise an expired token would block the call that
            renews it.
        manual_transactions: The view opens its own tenant transactions when an API key or an
            access token calls it.
        api_key_reader: Function that finds the API key in a request, where clients of the view
            send it in a place of their own.
        error_format: Function of the request, a status and a detail that returns the error, where
            clients of the view expect errors in a format of their own.
        reverify_key_on_write: The view checks the API key again in the transaction that writes.
            The middleware may then use a key that was cached seconds ago, which saves a query.
        allow_without_second_factor: Users may call the view before they have set up the second
            factor that their organization requires.
        home_organization: The view runs in the user's own organization, even while a platform
            administrator works in another one.
        rate_limit_exempt: No rate limit applies, for example to an emergency stop.
    """

    public: bool = False
    manual_transactions: bool = False
    api_key_reader: ApiKeyReader | None = None
    error_format: ErrorFormat | None = None
    reverify_key_on_write: bool = False
    allow_without_second_factor: bool = False
    home_organization: bool = False
    rate_limit_exempt: bool = False


_DEFAULT = ViewPolicy()


def view_policy(**changes: Any) -> Callable[[View], View]:
    """Set fields of `ViewPolicy` for a view.

    Also decorates view classes and single handlers of them.
    """

    def decorate(view: View) -> View:
        setattr(view, _ATTRIBUTE, replace(getattr(view, _ATTRIBUTE, _DEFAULT), **changes))
        return view

    return decorate


def policy_of(view: Callable[..., object], method: str | None = None) -> ViewPolicy:
    """Return a view's policy, combined with its class's and handler's.

    Args:
        view: Function that the URL resolves to.
        method: HTTP method of the request; it selects the handler.
    """
    view_class = getattr(view, "cls", None)
    name = (method or "").lower()
    actions: dict[str, str] = getattr(view, "actions", None) or {}  # handlers of a view set
    handler = getattr(view_class, actions.get(name, name), None)
    found = [getattr(part, _ATTRIBUTE, None) for part in (view, view_class, handler)]
    return _combine(*(policy for policy in found if policy is not None))


@cache
def _combine(*policies: ViewPolicy) -> ViewPolicy:
    combined = _DEFAULT
    for policy in policies:
        set_fields = {f.name: value for f in fields(policy) if (value := getattr(policy, f.name))}
        combined = replace(combined, **set_fields)
    return combined
