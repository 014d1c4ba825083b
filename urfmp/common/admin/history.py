"""The history of a row, read from the audit log."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.apps import apps
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.admin import ModelAdmin

from urfmp.common.admin.labels import reference_labels
from urfmp.common.admin.visibility import restricted

_MAX_HISTORY_ROWS = 200


class AuditedAdmin(ModelAdmin):
    """An admin whose rows a database trigger audits.

    Attributes:
        audit_resource: Resource type of these rows in the audit log, such as `robot`.
    """

    audit_resource: ClassVar[str] = ""

    # A trigger audits every change; Django's own log is not written.

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Do nothing: the audit trigger writes the log."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """Do nothing: the audit trigger writes the log."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:
        """Do nothing: the audit trigger writes the log."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the row's entries in the audit log."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]
        audit_log = apps.get_model("audit", "AuditLog")
        entries = list(
            restricted(audit_log, request)
            .filter(resource_type=self.audit_resource, resource_id=obj.pk)
            .order_by("-created_at", "-seq")
            .select_related("user", "api_key")[:_MAX_HISTORY_ROWS]
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "History",
            "entries": entries,
            "names": reference_labels(self.admin_site, request, entries),
            "explorer": self.history_url(obj.pk) if entries else "",
            "object": obj,
            "opts": self.opts,
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/object_history.html", context)

    def history_url(self, object_id: Any) -> str:
        """Return the URL of the audit log, filtered by a row."""
        query = urlencode({"resource": self.audit_resource, "object": object_id})
        return f"{reverse('admin:audit_auditlog_changelist')}?{query}"
