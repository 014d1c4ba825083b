"""What is done to a row with one click, or to many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest


def _no_initial(_row: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class ObjectAction:
    """Something that is done to a row with one click, or to many at once.

    Attributes:
        name: Its place in the address.
        label: What the button says.
        done: What was done, as in "2 alerts acknowledged".
        permission: The verb that `restrict` is asked for.
        run: Calls the service with the request, the row and the form's values. An `HttpResponse`
            that it returns is the answer, in place of the page that the viewer came from.
        icon: A Material symbol.
        applies: Whether the row is in a state to do it.
        form_class: What has to be said first; such an action is not offered in bulk.
        initial: What the form begins with.
        is_danger: Whether it takes something away.
        needs_step_up: Whether it needs a sign-in of the last 15 minutes.
    """

    name: str
    label: str
    done: str
    permission: str
    run: Callable[[HttpRequest, Any, dict[str, Any]], object]
    icon: str = "check"
    applies: Callable[[Any], bool] = bool
    form_class: type[forms.Form] | None = None
    initial: Callable[[Any], dict[str, Any]] = _no_initial
    is_danger: bool = False
    needs_step_up: bool = False
