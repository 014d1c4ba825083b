"""Actions on rows besides editing them: for one row, and in bulk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from urfmp.common.admin.actions import ObjectAction
from urfmp.common.admin.forms import error_messages
from urfmp.common.admin.history import AuditedAdmin
from urfmp.common.admin.visibility import restricted
from urfmp.common.exceptions import ApplicationError
from urfmp.common.security.recent_auth import require_recent_auth

_MAX_BULK_ROWS = 1_000


class RowActionsAdmin(AuditedAdmin):
    """Buttons, confirmation pages and bulk runs of `object_actions`.

    Attributes:
        object_actions: Actions on a row besides editing it.
    """

    object_actions: ClassVar[tuple[ObjectAction, ...]] = ()

    def get_urls(self) -> list[URLPattern]:
        """Add the URL of actions on one row."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(self.object_action_view)
        own = [path("<path:object_id>/act/<slug:name>/", view, name=name)]
        return (own if self.object_actions else []) + super().get_urls()  # type: ignore[no-any-return]

    def allowed_actions(self, request: HttpRequest) -> list[ObjectAction]:
        """Return the actions that the user has permission for."""
        return [
            action
            for action in self.object_actions
            if request.user.has_perm(
                f"{self.opts.app_label}.{action.permission}_{self.opts.model_name}"
            )
        ]

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the bulk actions: those without a form, and never Django's delete.

        Args:
            request: Request of the user.
            action_location: Where newer versions of Django show them; default: the change list.
        """
        if action_location is not None and action_location.value != "CHANGE_LIST":
            return {}
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        for action in self.allowed_actions(request):
            if action.form_class is None:
                actions[action.name] = (_bulk(action), action.name, action.label)
        return actions

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = None
    ) -> Any:
        """Return the choices; newer versions of Django pass `action_location`."""
        return super().get_action_choices(request, default_choices)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], **given: Any) -> Any:
        """Reject a selection of anything but row ids."""
        try:
            for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(key)
        except ValidationError:
            self.message_user(request, "Select items from the list.", messages.WARNING)
            return None
        return super().response_action(request, queryset, **given)

    def run_in_bulk(
        self, request: HttpRequest, action: ObjectAction, selected: Any
    ) -> HttpResponse | None:
        """Run an action on many rows and report the counts.

        A destructive action is confirmed first, on a page that names the rows.
        """
        if action.needs_step_up:
            require_recent_auth(request)
        done, errors, skipped = 0, [], 0
        keys = list(selected.values_list("pk", flat=True)[:_MAX_BULK_ROWS])
        # Rows are locked in the order of their ids, as everywhere.
        rows = restricted(self.model, request, action.permission).filter(pk__in=keys).order_by("pk")
        if action.is_danger and "_confirm" not in request.POST:
            return self._render_bulk_confirmation(request, action, selected, rows)
        for obj in rows:
            if not action.applies(obj):
                skipped += 1
                continue
            try:
                action.run(request, obj, {})
            except (ApplicationError, ValidationError) as error:
                errors.append(f"{obj}: {' '.join(error_messages(error))}")
            else:
                done += 1
        self.message_user(request, f"{self._named(done)} {action.done}.", messages.SUCCESS)
        if skipped:
            self.message_user(request, f"{self._named(skipped)} unchanged.", messages.INFO)
        for text in errors[:5]:
            self.message_user(request, text, messages.ERROR)
        return None

    def _render_bulk_confirmation(
        self, request: HttpRequest, action: ObjectAction, selected: Any, rows: Any
    ) -> HttpResponse | None:
        """Ask whether to run a destructive action on the named rows."""
        allowed = {row.pk: row for row in rows if action.applies(row)}
        if not allowed:
            text = "None of the selected rows allows this action in its current state."
            self.message_user(request, text, messages.WARNING)
            return None
        # In the order of the list, and with what it loads for the rows' names.
        found = [row for row in selected.filter(pk__in=list(allowed)) if row.pk in allowed]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.label} {self._named(len(found))}?",
            "opts": self.opts,
            "action": action,
            "rows": [(row, action.detail(row)) for row in found],
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "cancel_url": request.get_full_path(),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/bulk_action.html", context)

    def _named(self, count: int) -> str:
        opts = self.opts
        return f"{count} {opts.verbose_name if count == 1 else opts.verbose_name_plural}"

    def object_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Run an action on one row, or show its form.

        The form is shown on GET and on invalid input.
        """
        action, obj = self._requested(request, object_id, name)
        target = self._next_url(request, obj)
        if not action.applies(obj):
            self.message_user(
                request, f"{obj} does not allow this action in its current state.", messages.WARNING
            )
            return HttpResponseRedirect(target)
        if action.has_secret_form:
            require_recent_auth(request)
        bound = action.form_class is not None and "_confirm" in request.POST
        form = (action.form_class or forms.Form)(
            request.POST if bound else None, initial=action.initial(obj)
        )
        if request.method == "POST" and (action.form_class is None or form.is_valid()):
            values = form.cleaned_data if bound else {}
            return self._run(request, action, obj, values) or HttpResponseRedirect(target)
        return self._render_form(request, obj, action, form, target)

    def _requested(
        self, request: HttpRequest, object_id: str, name: str
    ) -> tuple[ObjectAction, Any]:
        """Return the action and the row of an address.

        Raises:
            Http404: No such action, or no such row that the user may view.
            PermissionDenied: The user may not run the action.
        """
        action = next((a for a in self.object_actions if a.name == name), None)
        obj = self.get_object(request, unquote(object_id)) if action else None
        if action is None or obj is None:
            raise Http404
        if action not in self.allowed_actions(request):
            raise PermissionDenied
        return action, obj

    def _run(
        self, request: HttpRequest, action: ObjectAction, obj: Any, values: dict[str, Any]
    ) -> HttpResponse | None:
        """Run an action on one row; return the page it produces."""
        if action.needs_step_up:
            require_recent_auth(request)
        try:
            result = action.run(request, obj, values)
        except (ApplicationError, ValidationError) as error:
            self.message_user(request, " ".join(error_messages(error)), messages.ERROR)
            return None
        if isinstance(result, HttpResponse):
            return result
        self.message_user(request, f"{obj} {action.done}.", messages.SUCCESS)
        return None

    def _render_form(
        self, request: HttpRequest, obj: Any, action: ObjectAction, form: Any, target: str
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.label}: {obj}",
            "object": obj,
            "opts": self.opts,
            "action": action,
            "action_form": form,
            "question": action.question_for(obj),
            "next": target,
        }
        return TemplateResponse(request, "admin/object_action.html", context)

    def change_url(self, object_id: Any) -> str:
        """Return the URL of a row."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[object_id])

    def action_url(self, obj: Any, name: str) -> str:
        """Return the URL of an action on a row."""
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_act"
        return reverse(view, args=[obj.pk, name])

    def _next_url(self, request: HttpRequest, obj: Any) -> str:
        wanted = request.POST.get("next") or request.headers.get("Referer", "")
        own = url_has_allowed_host_and_scheme(
            wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )
        url = urlsplit(wanted)
        if not own or url.path == request.path:
            return self.change_url(obj.pk)
        target = f"{url.path}?{url.query}" if url.query else url.path
        # A path that starts with two slashes is read as a host: `//evil.example/`.
        is_path = target.startswith("/") and url_has_allowed_host_and_scheme(target, None)
        return target if is_path else self.change_url(obj.pk)

    def action_button(self, obj: Any, name: str) -> SafeString:
        """Return a button that sends the change list's form to an action."""
        action = next(action for action in self.object_actions if action.name == name)
        return format_html(
            '<button type="submit" class="u-button" formaction="{}" formmethod="post" '
            'aria-label="{}: {}">{}</button>',
            self.action_url(obj, name),
            action.label,
            obj,
            action.label,
        )

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the actions that apply to the row."""
        obj = kwargs.get("obj")
        context["object_actions"] = [
            {"action": action, "address": self.action_url(obj, action.name)}
            for action in (self.allowed_actions(request) if obj is not None else ())
            if action.applies(obj)
        ]
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[no-any-return]


def _bulk(action: ObjectAction) -> Callable[[Any, HttpRequest, Any], HttpResponse | None]:
    def run(
        model_admin: RowActionsAdmin, request: HttpRequest, selected: Any
    ) -> HttpResponse | None:
        return model_admin.run_in_bulk(request, action, selected)

    return run
