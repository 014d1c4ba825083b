"""API keys in the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
)

from apps.accounts.models import ApiKey
from apps.accounts.permissions.grants import check_can_grant_scopes, effective_permissions
from apps.accounts.permissions.roles import SCOPES, permissions_of_scopes
from apps.accounts.services.api_keys import (
    api_key_create,
    api_key_revoke,
    api_key_rotate,
    api_key_update,
    normalized_networks,
)
from urfmp.common.admin import (
    AutocompleteFilter,
    ObjectAction,
    OrganizationScopedAdmin,
    ScopedModelForm,
    request_user,
)
from urfmp.common.http.request_state import request_state
from urfmp.common.rendering.formats import NOTHING, relative_time
from urfmp.common.rendering.html import datetime_html, relative_time_html


def _is_valid(key: ApiKey) -> bool:
    return key.is_valid


def _last_use_text(key: ApiKey) -> str:
    if key.last_used_at is None:
        return "never used"
    return f"used {relative_time(key.last_used_at)}"


class NetworkListField(forms.CharField):
    """IP addresses and CIDR ranges, one per line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            required=False,
            max_length=5000,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "192.0.2.0/24"}),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        """Return the ranges as text, one per line."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        """Parse the lines.

        Raises:
            ValidationError: A line is not an IP address or CIDR range.
        """
        lines = str(value or "").replace(",", "\n").split("\n")
        try:
            return normalized_networks(line for line in lines if line.strip())
        except ValidationError as error:
            raise ValidationError(error.messages) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the submitted text differs from the initial text."""
        return super().has_changed(self.prepare_value(initial), data)


class RotateForm(forms.Form):
    """Form for the overlap of a rotation."""

    overlap_hours = forms.IntegerField(
        label="Overlap in hours",
        initial=24,
        min_value=0,
        max_value=720,
        help_text="Both keys are valid during the overlap. Enter 0 to revoke the old key at once.",
        widget=UnfoldAdminIntegerFieldWidget(),
    )


class ApiKeyForm(ScopedModelForm):
    """API key form, limited to scopes that the current user may grant."""

    allowed_networks = NetworkListField(
        label="Allowed IP addresses",
        help_text="One IP address or CIDR range per line. Leave blank to allow any.",
    )
    permissions = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in sorted(SCOPES)],
        label="Scopes",
        help_text="Permissions of the key. A robot that sends telemetry needs telemetry:write.",
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = ApiKey
        fields = (
            "name",
            "robot",
            "permissions",
            "rate_limit",
            "expires_at",
            "allowed_networks",
            "line_protocol_mapping",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_new:  # scopes cannot be changed
            self.fields.pop("permissions", None)

    def clean_line_protocol_mapping(self) -> dict[str, Any]:
        """Return an empty mapping for a blank field."""
        value: dict[str, Any] | None = self.cleaned_data["line_protocol_mapping"]
        return {} if value is None else value

    def clean_permissions(self) -> list[str]:
        own = effective_permissions(self.request.user)
        scopes: list[str] = self.cleaned_data["permissions"]
        if denied := [scope for scope in scopes if not permissions_of_scopes([scope]) <= own]:
            msg = f"You do not have the permissions of {', '.join(denied)}."
            raise ValidationError(msg)
        return scopes


@admin.register(ApiKey)
class ApiKeyAdmin(OrganizationScopedAdmin[ApiKey]):
    audit_resource = "api_key"
    empty_text = "The credentials of robots and integrations appear here."
    needs_step_up = True
    form = ApiKeyForm
    list_display = ("name", "shown_prefix", "robot", "scopes", "is_active", "last_used", "expires")
    list_filter = ("is_active", ("robot", AutocompleteFilter))
    search_fields = ("name", "key_prefix")
    search_help_text = "Search by name or prefix"
    autocomplete_fields = ("robot",)
    list_select_related = ("robot",)
    add_fieldsets = (
        (None, {"fields": ("name", "robot", "permissions")}),
        ("Limits", {"fields": ("rate_limit", "expires_at", "allowed_networks")}),
        ("Telegraf and InfluxDB's clients", {"fields": ("line_protocol_mapping",)}),
    )
    fieldsets = (
        (None, {"fields": ("name", "shown_prefix", "robot", "scopes", "is_active")}),
        ("Limits", {"fields": ("rate_limit", "expires_at", "allowed_networks")}),
        ("Telegraf and InfluxDB's clients", {"fields": ("line_protocol_mapping",)}),
        ("Activity", {"fields": ("user", ("created", "last_used"), "replaces")}),
    )
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="rotate",
            label="Rotate",
            done="rotated",
            question="Rotate the API key {object}?",
            permission="add",
            icon="autorenew",
            applies=_is_valid,
            run=lambda request, key, values: _rotate(request, key, **values),
            form_class=RotateForm,
            needs_step_up=True,
        ),
        ObjectAction(
            name="revoke",
            label="Revoke",
            done="revoked",
            question="Revoke the API key {object}?",
            permission="delete",
            icon="key_off",
            applies=_is_valid,
            run=lambda _request, key, _values: api_key_revoke(key),
            is_danger=True,
            detail=_last_use_text,
            needs_step_up=True,
        ),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or _is_valid(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        fixed = (
            "shown_prefix", "robot", "scopes", "is_active", "user", "created", "last_used",
            "replaces",
        )  # fmt: skip
        if self.has_change_permission(request, obj):
            return fixed
        return (
            *fixed,
            "name",
            "rate_limit",
            "expires_at",
            "allowed_networks",
            "line_protocol_mapping",
        )

    @admin.display(description="Prefix", ordering="key_prefix")
    def shown_prefix(self, key: ApiKey) -> str:
        return f"urfmp_live_{key.key_prefix}…"

    @admin.display(description="Scopes")
    def scopes(self, key: ApiKey) -> str:
        return ", ".join(key.permissions or ()) or NOTHING

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> SafeString | str:
        return relative_time_html(key.last_used_at)

    @admin.display(description="Expires", ordering="expires_at")
    def expires(self, key: ApiKey) -> SafeString | str:
        return relative_time_html(key.expires_at)

    @admin.display(description="Created")
    def created(self, key: ApiKey) -> SafeString | str:
        return datetime_html(key.created_at)

    def perform_create(self, request: HttpRequest, form: Any) -> ApiKey:
        row, shown_once = api_key_create(
            organization_id=request_user(request).organization_id,
            user=request_user(request),
            **form.service_kwargs(),
        )
        request_state(request).new_api_key = shown_once
        return row

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> ApiKey:
        check_can_grant_scopes(request_user(request), obj.permissions or ())
        return api_key_update(obj, **form.service_kwargs())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        """Render the new key in the response, because it is not stored."""
        return _key_page(request, obj, request_state(request).new_api_key)


def _key_page(request: HttpRequest, row: ApiKey, key: str) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": f"API key {row.name}",
        "key": key,
        "object": row,
        "opts": ApiKey._meta,
    }
    response: HttpResponse = TemplateResponse(request, "admin/accounts/key_created.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _rotate(request: HttpRequest, key: ApiKey, overlap_hours: int) -> HttpResponse:
    user = request_user(request)
    check_can_grant_scopes(user, key.permissions or ())
    row, shown_once = api_key_rotate(key, user=user, overlap=timedelta(hours=overlap_hours))
    return _key_page(request, row, shown_once)
