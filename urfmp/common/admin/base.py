"""Base classes of the admin: one organization, changes through services.

Django queries the database in places that `get_queryset` does not reach: filters, form choices and
the history. The base classes restrict those too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
)
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from urfmp.common.admin.datetimes import LocalSplitDateTimeWidget
from urfmp.common.admin.forms import (
    BlankJsonField,
    ScopedChoiceField,
    ScopedModelForm,
    initial_from_query,
    json_or_dash,
)
from urfmp.common.admin.lists import (
    AutocompleteFilter,
    CappedPaginator,
    RelatedOnlyFilter,
    ScopedChangeList,
    filter_parameters,
)
from urfmp.common.admin.row_actions import RowActionsAdmin
from urfmp.common.admin.visibility import restricted
from urfmp.common.db.names import normalize_name
from urfmp.common.exceptions import ApplicationError
from urfmp.common.http.request_state import request_state
from urfmp.common.rendering.formats import NOTHING
from urfmp.common.rendering.html import clipped
from urfmp.common.security.recent_auth import StepUpRequiredError, require_recent_auth
from urfmp.common.time.fields import LocalSplitDateTimeField

# Pages of related rows that lists link to.
_PAGES = {"robots.robot": "admin:robot_page"}

Row = TypeVar("Row", bound=Model)


class OrganizationScopedAdmin(RowActionsAdmin, Generic[Row]):
    """Rows of the user's organization, changed through services.

    Attributes:
        empty_text: Sentence of an empty list: which rows appear in it, and how.
        needs_step_up: Whether adding and changing rows needs a password entered in the last 15
            minutes.
    """

    form = ScopedModelForm
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count the whole table once for each choice
    list_per_page = 50
    list_filter_submit = True
    view_on_site = False
    save_as = False
    compressed_fields = True
    warn_unsaved_form = True
    change_form_outer_before_template = "admin/inc/object_actions.html"
    formfield_overrides: ClassVar[dict[type[models.Field[Any, Any]], dict[str, Any]]] = {
        models.DateTimeField: {
            "form_class": LocalSplitDateTimeField,
            "widget": LocalSplitDateTimeWidget,
        },
        models.TextField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 4})},
        models.JSONField: {
            "form_class": BlankJsonField,
            "widget": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        },
    }

    empty_value_display = NOTHING
    empty_text: ClassVar[str] = ""
    needs_step_up: ClassVar[bool] = False

    # Reading

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the user may view."""
        rows = restricted(self.model, request)
        if ordering := self.get_ordering(request):
            rows = rows.order_by(*ordering)
        return rows  # type: ignore[no-any-return]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """Return the class of the change list."""
        return ScopedChangeList

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        """Return the columns: clipped texts, and links to related rows."""
        return tuple(self._column(request, item) for item in super().get_list_display(request))

    @property
    def readonly_preprocess_fields(self) -> dict[str, Callable[[Any], Any]]:
        """Functions of fields shown read-only: a JSON null becomes a dash."""
        fields = self.opts.concrete_fields
        return {f.name: json_or_dash for f in fields if isinstance(f, models.JSONField)}

    def _column(self, request: HttpRequest, item: Any) -> Any:
        if not isinstance(item, str):
            return item
        try:
            field: Any = self.opts.get_field(item)
        except FieldDoesNotExist:
            return item
        is_text = field.is_relation or isinstance(field, models.CharField)
        page = self._page_of(request, field) if field.is_relation else None

        @admin.display(
            boolean=isinstance(field, models.BooleanField) or None,
            description=capfirst(field.verbose_name),
            ordering=item,
        )
        def display(row: Any) -> Any:
            value = getattr(row, item)
            if value is None or not is_text:
                return value
            if field.choices:
                return getattr(row, f"get_{item}_display")()
            text = clipped(str(value))
            return (
                format_html('<a class="u-link" href="{}">{}</a>', page(value), text)
                if page
                else text
            )

        display.__name__ = item
        return display

    def _page_of(self, request: HttpRequest, field: Any) -> Callable[[Any], str] | None:
        """Return the function that builds the address of a related row."""
        related = field.remote_field.model._meta
        view = _PAGES.get(related.label_lower)
        if view is None or not request.user.has_perm(
            f"{related.app_label}.view_{related.model_name}"
        ):
            return None
        return lambda row: reverse(view, args=[row.pk])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for the form in which names are stored."""
        return super().get_search_results(request, queryset, normalize_name(search_term))  # type: ignore[no-any-return]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """Return the filters, restricted to visible rows.

        Filters by a relation offer only rows that the user may view.
        """
        return [self._scoped_filter(item) for item in super().get_list_filter(request)]

    def _scoped_filter(self, item: Any) -> Any:
        if isinstance(item, str):
            field = self.opts.get_field(item)
            if field.is_relation:
                return (item, RelatedOnlyFilter)
            if isinstance(field, models.BooleanField):
                return (item, BooleanRadioFilter)
            return (item, ChoicesDropdownFilter) if field.choices else item
        name, kind = item if isinstance(item, tuple | list) else (None, item)
        is_relation = name is not None and self.opts.get_field(name.split("__")[0]).is_relation
        if is_relation and not issubclass(kind, RelatedOnlyFilter | AutocompleteFilter):
            msg = f"{type(self).__name__}: the filter by {name} would show other organizations."
            raise TypeError(msg)
        return item

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """Allow only the query parameters of the list's filters.

        Django would allow any comparison with any column. A password hash could then be read
        character by character.
        """
        filters = self.get_list_filter(request)
        return any(lookup in filter_parameters(self.model, item) for item in filters)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer and accept only related rows that the user may view."""
        kwargs["queryset"] = restricted(db_field.remote_field.model, request)
        kwargs.setdefault("form_class", ScopedChoiceField)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer and accept only related rows that the user may view."""
        kwargs["queryset"] = restricted(db_field.remote_field.model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def formfield_for_nullboolean_field(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.Field:
        """Return a checkbox: the column allows NULL, but services never write it."""
        return forms.BooleanField(
            label=db_field.verbose_name.capitalize(),
            required=False,
            initial=db_field.default,
            help_text=db_field.help_text,
            widget=UnfoldBooleanSwitchWidget(),
        )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Remove the buttons that add and edit related rows in a pop-up."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_add_related = False
            field.widget.can_change_related = False
            field.widget.can_delete_related = False
            field.widget.can_view_related = False
        return field

    # Writing

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Give the form the request and the service's error."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.request = request
        form.service_error = request_state(request).service_error
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Show the form with the error if a service rejects its values."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except StepUpRequiredError:
            raise
        except (ApplicationError, ValidationError) as error:
            request_state(request).service_error = error
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return initial values from the URL that the form accepts."""
        if not request.GET:
            return {}
        return initial_from_query(self.get_form(request)(), request.GET)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Pass the form's values to a service.

        The form's own copy of the row is not saved.
        """
        if self.needs_step_up:
            require_recent_auth(request)
        if change:
            stored = self.get_queryset(request).get(pk=obj.pk)
            saved = self.perform_update(request, stored, form)
        else:
            saved = self.perform_create(request, form)
        obj.__dict__.update(saved.__dict__)

    def perform_create(self, request: HttpRequest, form: Any) -> Any:
        """Call the service that creates a row, and return the row."""
        raise PermissionDenied

    def perform_update(self, request: HttpRequest, obj: Any, form: Any) -> Any:
        """Call the service that updates a row, and return the row."""
        raise PermissionDenied

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Call the service that deletes a row."""
        raise PermissionDenied

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Pass the row to a service."""
        self.perform_delete(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Delete the row; show the error if a service rejects it."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ApplicationError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(self.change_url(object_id))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False where no service deletes rows."""
        return type(self).perform_delete is not OrganizationScopedAdmin.perform_delete and bool(
            super().has_delete_permission(request, obj)
        )


class ReadOnlyAdmin(OrganizationScopedAdmin[Row]):
    """Rows that users view but cannot edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: other code creates rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: rows are immutable."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: rows are kept."""
        return False
