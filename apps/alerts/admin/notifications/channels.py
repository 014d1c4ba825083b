"""Channels in the admin, with a test and the delivery log."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.alerts.admin.notifications.deliveries import deliveries_html
from apps.alerts.admin.notifications.fields import ChoicesField, LinesField
from apps.alerts.choices.notifications import PERSONAL_KINDS, AuthScheme, ChannelKind
from apps.alerts.models import Delivery, NotificationChannel
from apps.alerts.models.channels import MAX_AUTH_USERNAME_LENGTH
from apps.alerts.protocols.alertmanager import MAX_SECRET_LENGTH
from apps.alerts.services.notifications.channels import (
    CHANNEL_ROLES,
    channel_create,
    channel_delete,
    channel_reveal_secret,
    channel_rotate_secret,
    channel_test,
    channel_update,
)
from urfmp.common.admin import (
    ObjectAction,
    OrganizationScopedAdmin,
    ScopedModelForm,
    request_user,
)
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import badge

_LOG_ROWS = 20
# Fields besides the name, by kind.
_FIELDS: dict[str, tuple[str, ...]] = {
    ChannelKind.EMAIL: ("roles", "addresses"),
    ChannelKind.WEB_PUSH: ("roles", "addresses", "allowed_networks"),
    ChannelKind.WEBHOOK: ("url", "allowed_networks"),
    ChannelKind.ALERTMANAGER: ("url", "allowed_networks"),
}


class ChannelForm(ScopedModelForm):
    """Settings of a channel; those of the other kind stay empty."""

    kind = forms.ChoiceField(
        choices=ChannelKind.choices,
        initial=ChannelKind.EMAIL,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    roles = ChoicesField(
        [(role.value, role.label) for role in CHANNEL_ROLES],
        help_text="Active users with these roles who may view alerts.",
    )
    addresses = LinesField(
        placeholder="maintenance@example.com",
        help_text="Further addresses, one per line. Only users of this organization get a link to"
        " acknowledge, and push messages.",
    )
    allowed_networks = LinesField(
        label="Private networks",
        placeholder="10.0.8.0/24",
        help_text="For a receiver inside your own network: its IP address or CIDR range, one per"
        " line. The operator of the platform has to permit it.",
    )

    class Meta:
        model = NotificationChannel
        fields = ("name", "roles", "addresses", "url", "allowed_networks", "is_enabled")
        help_texts: ClassVar = {
            "url": "For a webhook: alerts are posted here as JSON, signed as in Standard Webhooks."
            " For Alertmanager: its address, such as http://alertmanager.example.com:9093.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_new:  # the kind cannot be changed
            self.fields.pop("kind", None)
            used = _FIELDS[self.instance.kind]
            for name in {*chain(*_FIELDS.values())}.difference(used):
                self.fields.pop(name, None)


class CredentialsForm(forms.Form):
    """How a channel authenticates at Alertmanager."""

    auth_scheme = forms.ChoiceField(
        label="Authentication",
        choices=AuthScheme.choices,
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
    auth_username = forms.CharField(
        label="User name",
        required=False,
        max_length=MAX_AUTH_USERNAME_LENGTH,
        help_text="For a user name and password.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    auth_secret = forms.CharField(
        label="Password or token",
        required=False,
        strip=False,
        max_length=MAX_SECRET_LENGTH,
        help_text="It is encrypted and not shown again. Leave it blank to keep the stored one.",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )


def _is_alertmanager(channel: NotificationChannel) -> bool:
    return bool(channel.kind == ChannelKind.ALERTMANAGER)


def _is_webhook(channel: NotificationChannel) -> bool:
    return bool(channel.kind == ChannelKind.WEBHOOK)


def _is_enabled(channel: NotificationChannel) -> bool:
    return bool(channel.is_enabled)


def _secret_page(request: HttpRequest, channel: NotificationChannel) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": f"Signing secret: {channel}",
        "secret": channel_reveal_secret(channel),
        "object": channel,
        "opts": NotificationChannel._meta,
    }
    response: HttpResponse = TemplateResponse(request, "admin/alerts/signing_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@admin.register(NotificationChannel)
class NotificationChannelAdmin(OrganizationScopedAdmin[NotificationChannel]):
    audit_resource = "channel"
    empty_text = (
        "Channels that send alerts by e-mail, as push messages, to a webhook or to Alertmanager"
        " appear here."
    )
    form = ChannelForm
    needs_step_up = True
    list_display = ("name", "kind", "target", "state")
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "url")
    search_help_text = "Search by name or URL"
    object_actions: ClassVar[tuple[ObjectAction, ...]] = (
        ObjectAction(
            name="test",
            label="Send a test",
            done="sends a test, see the delivery log",
            permission="change",
            icon="send",
            applies=_is_enabled,
            run=lambda _request, channel, _values: channel_test(channel),
        ),
        ObjectAction(
            name="credentials",
            label="Set credentials",
            done="has new credentials",
            permission="change",
            icon="key",
            applies=_is_alertmanager,
            form_class=CredentialsForm,
            initial=lambda channel: {
                "auth_scheme": channel.auth_scheme,
                "auth_username": channel.auth_username,
            },
            run=lambda _request, channel, values: channel_update(channel, **values),
            needs_step_up=True,
            has_secret_form=True,
        ),
        ObjectAction(
            name="show_secret",
            label="Show signing secret",
            done="shown",
            permission="change",
            icon="visibility",
            applies=_is_webhook,
            run=lambda request, channel, _values: _secret_page(request, channel),
            needs_step_up=True,
        ),
        ObjectAction(
            name="rotate_secret",
            label="Rotate signing secret",
            done="has a new signing secret",
            question="Rotate the signing secret of {object}?",
            consequences="Requests are signed with both secrets for 24 hours.",
            permission="change",
            icon="autorenew",
            applies=_is_webhook,
            run=lambda _request, channel, _values: channel_rotate_secret(channel),
            is_danger=True,
            needs_step_up=True,
        ),
    )

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request, action_location)
        # One page shows one secret.
        actions.pop("show_secret", None)
        return actions

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return (
                (None, {"fields": ("kind", "name", "is_enabled")}),
                ("E-mail or push messages", {"fields": _FIELDS[ChannelKind.EMAIL]}),
                ("Webhook or Alertmanager", {"fields": _FIELDS[ChannelKind.ALERTMANAGER]}),
            )
        shown = ("authentication",) if _is_alertmanager(obj) else ()
        fields = ("name", "kind_label", *_FIELDS[obj.kind], *shown, "is_enabled", "disabled")
        return (
            (None, {"fields": fields}),
            ("Delivery log", {"fields": ("log",)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("kind_label", "authentication", "disabled", "log")

    @admin.display(description="Kind")
    def kind_label(self, channel: NotificationChannel) -> str:
        return ChannelKind(channel.kind).label

    @admin.display(description="Sends to")
    def target(self, channel: NotificationChannel) -> str:
        if channel.kind not in PERSONAL_KINDS:
            return str(channel.url)
        labels = [role.label for role in CHANNEL_ROLES if role in channel.roles]
        return ", ".join([*labels, *channel.addresses])[:200]

    @admin.display(description="State", ordering="is_enabled")
    def state(self, channel: NotificationChannel) -> SafeString:
        if channel.is_enabled:
            return badge("delivery", "delivered", "Enabled")
        return badge("delivery", "dead" if channel.disabled_reason else "cancelled", "Disabled")

    @admin.display(description="Authentication")
    def authentication(self, channel: NotificationChannel) -> str:
        label = AuthScheme(channel.auth_scheme).label
        return f"{label}: {channel.auth_username}" if channel.auth_username else label

    @admin.display(description="Disabled because")
    def disabled(self, channel: NotificationChannel) -> str:
        return channel.disabled_reason or NOTHING

    @admin.display(description="Latest deliveries")
    def log(self, channel: NotificationChannel) -> SafeString:
        rows = Delivery.objects.filter(channel=channel).select_related("alert")
        newest = rows.order_by("-created_at")[:_LOG_ROWS]
        return format_html(
            '{}<p><a class="u-link" href="{}?channel__id__exact={}">All deliveries</a></p>',
            deliveries_html(newest),
            reverse("admin:alerts_delivery_changelist"),
            channel.pk,
        )

    def perform_create(self, request: HttpRequest, form: Any) -> NotificationChannel:
        return channel_create(
            organization_id=request_user(request).organization_id, **form.service_kwargs()
        )

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> NotificationChannel:
        return channel_update(obj, **form.service_kwargs())

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        channel_delete(obj)
