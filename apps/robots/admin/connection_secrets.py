"""Replace and reveal the secrets of a robot's connection."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from apps.robots.choices import ConnectionSecret
from apps.robots.models import Robot
from apps.robots.protocols.settings_schema import MAX_SECRET_LENGTH
from apps.robots.selectors.connection import secret_times
from apps.robots.selectors.profiles import vendor_profile
from apps.robots.services.connection import connection_secret_reveal
from apps.robots.services.robots import robot_update
from urfmp.common.admin import ObjectAction
from urfmp.common.rendering.formats import format_datetime

_ATTRIBUTES = {"autocomplete": "off", "spellcheck": "false"}


class _HiddenTextarea(UnfoldAdminTextareaWidget):
    """A text of several lines that is never rendered again."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        return super().render(name, None, attrs, renderer)


def replaced_text(time: datetime | None) -> str:
    """Return when a secret was replaced, in words."""
    return "not set" if time is None else f"set, replaced on {format_datetime(time)}"


def secret_names(robot: Robot) -> list[ConnectionSecret]:
    """Return the secrets that the vendor has, and others that are stored."""
    stored = secret_times(robot.connection_config)
    known = vendor_profile(robot.vendor).secrets
    return [name for name in ConnectionSecret if name in known or name in stored]


def secrets_initial(robot: Robot) -> dict[str, Any]:
    """Return when each secret was replaced, for the forms; None: not set."""
    times = secret_times(robot.connection_config)
    return {"secrets": {name: times.get(name) for name in secret_names(robot)}}


class ReplaceSecretsForm(forms.Form):
    """One field for each secret; an empty one leaves the secret unchanged."""

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self._secrets: dict[ConnectionSecret, datetime | None] = (initial or {}).get("secrets", {})
        for name, time in self._secrets.items():
            is_long = name == ConnectionSecret.PRIVATE_KEY
            widget = _HiddenTextarea if is_long else UnfoldAdminPasswordWidget
            self.fields[name.value] = forms.CharField(
                label=name.label,
                required=False,
                strip=False,
                max_length=MAX_SECRET_LENGTH,
                help_text=f"Now {replaced_text(time)}. Empty: unchanged.",
                widget=widget(attrs={**_ATTRIBUTES, **({"rows": 4} if is_long else {})}),
            )
        if stored := [(n.value, n.label) for n, time in self._secrets.items() if time]:
            self.fields["remove"] = forms.MultipleChoiceField(
                required=False,
                choices=stored,
                label="Remove",
                widget=UnfoldAdminCheckboxSelectMultipleWidget,
            )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        new = {name: text for name in self._secrets if (text := values.get(name))}
        removed = values.get("remove", ())
        if both := sorted(new.keys() & set(removed)):
            msg = f"Enter or remove the {both[0].replace('_', ' ')}, not both."
            raise ValidationError(msg)
        if not self.errors and not new and not removed:
            msg = "Enter a secret."
            self.add_error(next(iter(self._secrets)).value, msg)
        values["secrets"] = {str(name): text for name, text in new.items()} | dict.fromkeys(removed)
        return values


class RevealSecretForm(forms.Form):
    """Choice of the secret to show."""

    name = forms.ChoiceField(label="Secret", widget=UnfoldAdminSelectWidget())

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        secrets = (initial or {}).get("secrets", {})
        stored = [(n.value, n.label) for n, time in secrets.items() if time]
        self.fields["name"].choices = stored  # type: ignore[attr-defined]


def _has_connection(robot: Robot) -> bool:
    return robot.connection_config is not None


def _has_secrets(robot: Robot) -> bool:
    return bool(secret_times(robot.connection_config))


def _replace_secrets(_request: HttpRequest, robot: Robot, values: dict[str, Any]) -> None:
    robot_update(robot, connection_config={"secrets": values["secrets"]})


def _secret_page(request: HttpRequest, robot: Robot, values: dict[str, Any]) -> HttpResponse:
    label = ConnectionSecret(values["name"]).label
    context = {
        **admin.site.each_context(request),
        "title": f"{label}: {robot}",
        "label": label,
        "value": connection_secret_reveal(robot, values["name"]),
        "object": robot,
        "opts": Robot._meta,
    }
    response: HttpResponse = TemplateResponse(request, "admin/robots/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


REPLACE_SECRETS = ObjectAction(
    name="replace_secrets",
    label="Set secrets",
    done="updated",
    permission="change",
    icon="key",
    question="Set the secrets of {object}",
    consequences="They are stored encrypted.",
    applies=_has_connection,
    form_class=ReplaceSecretsForm,
    initial=secrets_initial,
    needs_step_up=True,
    has_secret_form=True,
    run=_replace_secrets,
)
REVEAL_SECRET = ObjectAction(
    name="reveal_secret",
    label="Show a secret",
    done="shown",
    permission="reveal",
    icon="visibility",
    question="Show a secret of {object}",
    applies=_has_secrets,
    form_class=RevealSecretForm,
    initial=secrets_initial,
    needs_step_up=True,
    has_secret_form=True,
    run=_secret_page,
)
