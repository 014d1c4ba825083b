from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from apps.audit.admin.filters import (
    ActionFilter,
    AuditChangeList,
    KeyFilter,
    ObjectFilter,
    OutcomeFilter,
    RequestFilter,
    ResourceFilter,
    WhenFilter,
    action_words,
)
from apps.audit.models import AuditLog
from apps.audit.selectors.audit_logs import recorded_actions
from apps.audit.services.export import CONTENT_TYPES, audit_export
from urfmp.common.admin import (
    AutocompleteFilter,
    ReadOnlyAdmin,
    ScopedChangeList,
    audited_admins,
    object_names,
    reference_names,
    viewer,
)
from urfmp.common.export_slots import TooManyExportsError
from urfmp.common.rendering.html import NOTHING, badge, block, difference, moment
from urfmp.common.security.recent_auth import require_fresh

_SHOWN = (
    "time", "who", "action", "resource", "outcome", "error_message", "related", "change", "asked",
    "answered", "ip_address", "user_agent", "request_id", "number", "digest",
)  # fmt: skip


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin[AuditLog]):
    list_display = ("time", "who", "action", "resource", "outcome", "ip_address")
    list_filter = (
        ("created_at", WhenFilter), ActionFilter, ResourceFilter, ("user", AutocompleteFilter),
        ("api_key", KeyFilter), OutcomeFilter, RequestFilter, ObjectFilter,
    )  # fmt: skip
    list_filter_sheet = True
    ordering = ("-created_at", "-seq")
    list_before_template = "admin/audit/exports.html"
    search_fields = ("action",)
    search_help_text = "Part of an action, a request id, or the id of what was changed."
    list_select_related = ("user", "api_key")
    fieldsets = (
        (None, {"fields": _SHOWN[:7]}),
        ("Change", {"fields": ("change",)}),
        ("Request", {"fields": _SHOWN[8:13]}),
        ("Chain", {"fields": _SHOWN[13:]}),
    )
    readonly_fields = _SHOWN

    def get_urls(self) -> list[URLPattern]:
        """Add where the list as it is filtered leaves as a file."""
        view = self.admin_site.admin_view(require_GET(self.export_view))
        own = path("export/<slug:kind>/", view, name="audit_auditlog_export")
        return [own, *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Send what the list's filters leave; the record tells of it."""
        if kind not in CONTENT_TYPES:
            raise Http404
        if not _may_export(request):
            raise PermissionDenied
        require_fresh(request)
        try:
            entries = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:audit_auditlog_changelist") + "?e=1")
        try:
            return audit_export(
                entries.select_related(None),
                organization_id=viewer(request).organization_id,
                kind=kind,
                filters={name: value for name, value in request.GET.items() if value},
            )
        except TooManyExportsError as error:
            self.message_user(request, error.message, messages.ERROR)
            address = reverse("admin:audit_auditlog_changelist")
            return HttpResponseRedirect(f"{address}?{request.GET.urlencode()}")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Offer the files to those who may take them."""
        kinds = [("csv", "CSV"), ("jsonl", "JSON lines")] if _may_export(request) else []
        exports = [
            (
                f"{reverse('admin:audit_auditlog_export', args=[kind])}?{request.GET.urlencode()}",
                label,
            )
            for kind, label in kinds
        ]
        return super().changelist_view(  # type: ignore[no-any-return]
            request, {"exports": exports, **(extra_context or {})}
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """Return the list's class."""
        return AuditChangeList

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Leave out the filters by people or keys for those who may not see these."""
        return [
            item
            for item in super().get_list_filter(request)
            if not isinstance(item, tuple) or _may_choose(request, item)
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for ids as such, and for words among the actions: both have an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        actions = [
            action
            for action in recorded_actions(viewer(request).organization_id)
            if term.lower() in action
        ]
        if actions:
            return queryset.filter(action__in=actions), False
        found = Q(request_id=term)
        with suppress(ValueError):
            found |= Q(resource_id=uuid.UUID(term))
        return queryset.filter(found), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Read the names along that the page shows."""
        entry: Any = super().get_object(request, object_id, from_field)
        if entry is not None:
            names = object_names(self.admin_site, request, [entry])
            entry.object_name = names.get(str(entry.resource_id))
            entry.names = reference_names(self.admin_site, request, [entry])
        return entry

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Offer no history of the record itself."""
        context["show_history"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Time", ordering="created_at")
    def time(self, entry: AuditLog) -> SafeString | str:
        return moment(entry.created_at)

    @admin.display(description="Who", ordering="user")
    def who(self, entry: AuditLog) -> str:
        return entry.actor_name

    @admin.display(description="What", ordering="resource_type")
    def resource(self, entry: Any) -> SafeString | str:
        """Name the object, and lead to it where the viewer may see it."""
        if entry.resource_type is None:
            return NOTHING
        kind, key = action_words(entry.resource_type), str(entry.resource_id or "")
        name = getattr(entry, "object_name", None)
        # What was refused carries the id of what was asked for, and is no row of that kind itself.
        owner = audited_admins(self.admin_site).get(entry.resource_type)
        if name is None or owner is None:
            named = (entry.after or entry.before or {}).get("name")
            return format_html('<span title="{}">{} {}</span>', key, kind, named or key[:8])
        return format_html(
            '<a class="u-link" href="{}" title="{}">{} {}</a>',
            owner.change_address(key),
            key,
            kind,
            name,
        )

    @admin.display(description="Outcome", ordering="success")
    def outcome(self, entry: AuditLog) -> SafeString:
        if entry.success:
            return badge("outcome", "done", "Done")
        return badge("outcome", "refused", "Refused")

    @admin.display(description="See also")
    def related(self, entry: AuditLog) -> SafeString | str:
        """Lead to what belongs together: the object's, the request's and the actor's entries."""
        ways: list[tuple[str, dict[str, Any]]] = []
        if entry.resource_id is not None:
            query = {"resource": entry.resource_type, "object": entry.resource_id}
            ways.append(("Everything done to this object", query))
        if entry.request_id:
            ways.append(("Everything of this request", {"request": entry.request_id}))
        if entry.user is not None:
            ways.append((f"Everything by {entry.actor_name}", {"user__id__exact": entry.user_id}))
        if entry.api_key is not None:
            query = {"api_key__id__exact": entry.api_key_id}
            ways.append((f"Everything by {entry.actor_name}", query))
        address = reverse("admin:audit_auditlog_changelist")
        links = ((f"{address}?{urlencode(query)}", text) for text, query in ways)
        return format_html(
            '<span class="u-buttons">{}</span>',
            format_html_join("", '<a class="u-button" href="{}">{}</a>', links),
        )

    @admin.display(description="Before and after")
    def change(self, entry: Any) -> SafeString:
        return difference(entry.before, entry.after, getattr(entry, "names", None))

    @admin.display(description="Asked")
    def asked(self, entry: AuditLog) -> SafeString:
        return block(entry.request_data)

    @admin.display(description="Answered")
    def answered(self, entry: AuditLog) -> SafeString:
        return block(entry.response_data)

    @admin.display(description="Number")
    def number(self, entry: AuditLog) -> str:
        return str(entry.seq or NOTHING)

    @admin.display(description="Hash")
    def digest(self, entry: AuditLog) -> SafeString | str:
        return format_html('<code class="u-pre">{}</code>', bytes(entry.hash or b"").hex())


def _may_export(request: HttpRequest) -> bool:
    return bool(viewer(request).has_perm("audit.export_auditlog"))


def _may_choose(request: HttpRequest, item: tuple[str, type[ListFilter]]) -> bool:
    """Tell whether the viewer may see the rows that a filter by relation offers."""
    needed = {"user": "accounts.view_user", "api_key": "accounts.view_apikey"}.get(item[0])
    return needed is None or bool(viewer(request).has_perm(needed))
