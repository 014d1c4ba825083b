"""Channels in the admin, with a test and the delivery log."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminRadioSelectWidget

from apps.alerts.admin.notifications.deliveries import deliveries_html
from apps.alerts.admin.notifications.fields import ChoicesField, LinesField
from apps.alerts.choices.notifications import ChannelKind
from apps.alerts.models import Delivery, NotificationChannel
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


class ChannelForm(ScopedModelForm):
    """Settings of a channel; those of the other kind stay empty."""

    kind = forms.ChoiceField(
        choices=ChannelKind.choices,
        initial=ChannelKind.EMAIL,
        widget=UnfoldAdminRadioSelectWidget(),
    )
    roles = ChoicesField(
        [(role.value, role.label) for role in CHANNEL_ROLES],
        help_text="For e-mail: active users with these roles who may view alerts.",
    )
    addresses = LinesField(
        placeholder="maintenance@example.com",
        help_text="For e-mail: further addresses, one per line. Only users of this organization get"
        " a link to acknowledge.",
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
            is_email = self.instance.kind == ChannelKind.EMAIL
            unused = ("url", "allowed_networks") if is_email else ("roles", "addresses")
            for name in unused:
                self.fields.pop(name, None)


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
    empty_text = "Channels that send alerts by e-mail, to a webhook or to Alertmanager appear here."
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
        email, webhook = ("roles", "addresses"), ("url", "allowed_networks")
        if obj is None:
            return (
                (None, {"fields": ("kind", "name", "is_enabled")}),
                ("E-mail", {"fields": email}),
                ("Webhook or Alertmanager", {"fields": webhook}),
            )
        fields = email if obj.kind == ChannelKind.EMAIL else webhook
        return (
            (None, {"fields": ("name", "kind_label", *fields, "is_enabled", "disabled")}),
            ("Delivery log", {"fields": ("log",)}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("kind_label", "disabled", "log")

    @admin.display(description="Kind")
    def kind_label(self, channel: NotificationChannel) -> str:
        return ChannelKind(channel.kind).label

    @admin.display(description="Sends to")
    def target(self, channel: NotificationChannel) -> str:
        if channel.kind != ChannelKind.EMAIL:
            return str(channel.url)
        labels = [role.label for role in CHANNEL_ROLES if role in channel.roles]
        return ", ".join([*labels, *channel.addresses])[:200]

    @admin.display(description="State", ordering="is_enabled")
    def state(self, channel: NotificationChannel) -> SafeString:
        if channel.is_enabled:
            return badge("delivery", "delivered", "Enabled")
        return badge("delivery", "dead" if channel.disabled_reason else "cancelled", "Disabled")

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
