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
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from apps.audit.admin.filters import (
    ActionFilter,
    ApiKeyFilter,
    AuditChangeList,
    ObjectFilter,
    OutcomeFilter,
    RequestFilter,
    ResourceFilter,
    TimeFilter,
    humanize,
)
from apps.audit.models import AuditLog
from apps.audit.selectors.audit_logs import recorded_actions
from apps.audit.services.export import CONTENT_TYPES, audit_export
from urfmp.common.admin import (
    AutocompleteFilter,
    ReadOnlyAdmin,
    ScopedChangeList,
    audited_admins,
    object_labels,
    reference_labels,
    request_user,
)
from urfmp.common.export_slots import TooManyExportsError
from urfmp.common.http.downloads import DownloadResponse
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import (
    badge,
    clipped,
    datetime_html,
    difference_table,
    preformatted,
)
from urfmp.common.security.recent_auth import require_recent_auth

_SUMMARY_FIELDS = (
    "time", "actor", "action", "resource", "outcome", "error_message", "related_links",
)  # fmt: skip
_CHANGE_FIELDS = ("changes",)
_REQUEST_FIELDS = ("request_json", "response_json", "ip_address", "user_agent", "request_id")
_CHAIN_FIELDS = ("sequence_number", "hash_hex")


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin[AuditLog]):
    list_display = ("time", "actor", "action", "resource", "outcome", "ip_address")
    list_filter = (
        ("created_at", TimeFilter), ActionFilter, ResourceFilter, ("user", AutocompleteFilter),
        ("api_key", ApiKeyFilter), OutcomeFilter, RequestFilter, ObjectFilter,
    )  # fmt: skip
    list_filter_sheet = True
    ordering = ("-created_at", "-seq")
    list_before_template = "admin/audit/exports.html"
    empty_text = "Changes, logins, exports and denied requests appear here."
    search_fields = ("action",)
    search_help_text = "Search by action, request id or object id"
    list_select_related = ("user", "api_key")
    fieldsets = (
        (None, {"fields": _SUMMARY_FIELDS}),
        ("Change", {"fields": _CHANGE_FIELDS}),
        ("Request", {"fields": _REQUEST_FIELDS}),
        ("Chain", {"fields": _CHAIN_FIELDS}),
    )
    readonly_fields = (*_SUMMARY_FIELDS, *_CHANGE_FIELDS, *_REQUEST_FIELDS, *_CHAIN_FIELDS)

    def get_urls(self) -> list[URLPattern]:
        """Add the export of the filtered list."""
        view = self.admin_site.admin_view(require_GET(self.export_view))
        own = path("export/<slug:kind>/", view, name="audit_auditlog_export")
        return [own, *super().get_urls()]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Return the filtered rows as a file; the export is audited."""
        if kind not in CONTENT_TYPES:
            raise Http404
        if not _can_export(request):
            raise PermissionDenied
        require_recent_auth(request)
        try:
            entries = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:audit_auditlog_changelist") + "?e=1")
        try:
            export = audit_export(
                entries.select_related(None),
                organization_id=request_user(request).organization_id,
                kind=kind,
                filters={name: value for name, value in request.GET.items() if value},
                has_byte_order_mark=True,
            )
        except TooManyExportsError as error:
            self.message_user(request, error.message, messages.ERROR)
            url = reverse("admin:audit_auditlog_changelist")
            return HttpResponseRedirect(f"{url}?{request.GET.urlencode()}")
        return DownloadResponse(
            export.content, content_type=export.content_type, file_name=export.file_name
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the export links to users who may export."""
        kinds = [("csv", "CSV"), ("jsonl", "JSON lines")] if _can_export(request) else []
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
        """Omit filters by user or key without the permission to view them."""
        return [
            item
            for item in super().get_list_filter(request)
            if not isinstance(item, tuple) or _can_use_filter(request, item)
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search ids exactly and actions by substring; both use an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        actions = [
            action
            for action in recorded_actions(request_user(request).organization_id)
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
        """Load the names that the page shows."""
        entry: Any = super().get_object(request, object_id, from_field)
        if entry is not None:
            names = object_labels(self.admin_site, request, [entry])
            entry.object_name = names.get(str(entry.resource_id))
            entry.names = reference_labels(self.admin_site, request, [entry])
        return entry

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Hide the history link: audit rows have no history."""
        context["show_history"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="Time", ordering="created_at")
    def time(self, entry: AuditLog) -> SafeString | str:
        return datetime_html(entry.created_at)

    @admin.display(description="Who", ordering="user")
    def actor(self, entry: AuditLog) -> SafeString | str:
        return clipped(entry.actor_name)

    @admin.display(description="What", ordering="resource_type")
    def resource(self, entry: Any) -> SafeString | str:
        """Return the object's name, linked if the user may view it."""
        if entry.resource_type is None:
            return NOTHING
        kind, object_id = humanize(entry.resource_type), str(entry.resource_id or "")
        name = getattr(entry, "object_name", None)
        # A denied request has the id that was requested, which need not exist.
        owner = audited_admins(self.admin_site).get(entry.resource_type)
        if name is None or owner is None:
            named = (entry.after or entry.before or {}).get("name")
            return format_html(
                '<span title="{}">{} {}</span>', object_id, kind, clipped(named or object_id[:8])
            )
        return format_html(
            '<a class="u-link" href="{}" title="{}">{} {}</a>',
            owner.change_url(object_id),
            object_id,
            kind,
            clipped(name),
        )

    @admin.display(description="Outcome", ordering="success")
    def outcome(self, entry: AuditLog) -> SafeString:
        if entry.success:
            return badge("outcome", "done", "Done")
        return badge("outcome", "denied", "Denied")

    @admin.display(description="See also")
    def related_links(self, entry: AuditLog) -> SafeString | str:
        """Return links to the rows of the same object, request and actor."""
        queries: list[tuple[str, dict[str, Any]]] = []
        if entry.resource_id is not None:
            query = {"resource": entry.resource_type, "object": entry.resource_id}
            queries.append(("All actions on this object", query))
        if entry.request_id:
            queries.append(("All actions of this request", {"request": entry.request_id}))
        if entry.user is not None:
            queries.append(
                (f"All actions by {entry.actor_name}", {"user__id__exact": entry.user_id})
            )
        if entry.api_key is not None:
            query = {"api_key__id__exact": entry.api_key_id}
            queries.append((f"All actions by {entry.actor_name}", query))
        url = reverse("admin:audit_auditlog_changelist")
        links = ((f"{url}?{urlencode(query)}", text) for text, query in queries)
        return format_html(
            '<span class="u-buttons">{}</span>',
            format_html_join("", '<a class="u-button" href="{}">{}</a>', links),
        )

    @admin.display(description="Before and after")
    def changes(self, entry: Any) -> SafeString:
        return difference_table(entry.before, entry.after, getattr(entry, "names", None))

    @admin.display(description="Request")
    def request_json(self, entry: AuditLog) -> SafeString:
        return preformatted(entry.request_data)

    @admin.display(description="Response")
    def response_json(self, entry: AuditLog) -> SafeString:
        return preformatted(entry.response_data)

    @admin.display(description="Number")
    def sequence_number(self, entry: AuditLog) -> str:
        return str(entry.seq or NOTHING)

    @admin.display(description="Hash")
    def hash_hex(self, entry: AuditLog) -> SafeString | str:
        return format_html('<code class="u-pre">{}</code>', bytes(entry.hash or b"").hex())


def _can_export(request: HttpRequest) -> bool:
    return bool(request_user(request).has_perm("audit.export_auditlog"))


def _can_use_filter(request: HttpRequest, item: tuple[str, type[ListFilter]]) -> bool:
    """Return whether the user may view the rows that a filter lists."""
    needed = {"user": "accounts.view_user", "api_key": "accounts.view_apikey"}.get(item[0])
    return needed is None or bool(request_user(request).has_perm(needed))
