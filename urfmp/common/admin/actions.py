"""Actions on one row or on many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest


def _no_initial(_row: Any) -> dict[str, Any]:
    return {}


def _no_detail(_row: Any) -> str:
    return ""


@dataclass(frozen=True)
class ObjectAction:
    """An action that users run on one row or on many.

    Attributes:
        name: Name in the URL.
        label: Text of the button.
        done: Past participle for the success message, as in "2 alerts acknowledged".
        permission: Verb that `restrict` checks.
        run: Calls the service with the request, the row and the form's values. It may return an
            `HttpResponse`, which replaces the redirect to the previous page.
        icon: Material symbol.
        applies: Whether the row's state allows the action.
        form_class: Form to fill in first; such an action is not available in bulk.
        initial: Initial values of the form.
        question: Question of the confirmation page, with `{object}`; default: the label.
        consequences: What else the action does, for the confirmation page.
        confirm_label: Text of the button that confirms; default: the label.
        keep_label: Text of the link that does not.
        is_danger: Whether the action is destructive. It is then confirmed first.
        detail: What the confirmation of many rows says about each, besides its name.
        needs_step_up: Whether the user must have entered their password in the last 15 minutes.
        has_secret_form: Whether the password is asked for before the form is shown, because its
            secrets should not be part of the password prompt.
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
    question: str = ""
    consequences: str = ""
    confirm_label: str = ""
    keep_label: str = "Go back"
    detail: Callable[[Any], str] = _no_detail
    needs_step_up: bool = False
    has_secret_form: bool = False

    def question_for(self, row: Any) -> str:
        """Return the question of the confirmation page, which names act and row."""
        return (self.question or f"{self.label} {{object}}?").format(object=row)
