"""Names for ids in the audit log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db.models import F, Model, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest

from urfmp.common.admin.visibility import restricted

_MAX_LABELS = 500

_LABEL_FIELDS = ("name", "title", "email")

Labels = dict[str, str]


def audited_admins(site: AdminSite) -> dict[str, Any]:
    """Return the admin of each audited model, by its resource type.

    Only tenant-owned models: the platform's views of them are the same rows.
    """
    admins: Iterable[Any] = site._registry.values()  # noqa: SLF001 - Django has no public API
    return {
        model_admin.audit_resource: model_admin
        for model_admin in admins
        if getattr(model_admin, "audit_resource", "")
        and getattr(model_admin.model, "is_tenant_owned", False)
    }


def object_labels(site: AdminSite, request: HttpRequest, entries: Iterable[Any]) -> Labels:
    """Return the names of audited objects by id, in one query.

    Objects that are deleted, or that the user may not view, have no name.

    Args:
        site: Admin site with the registered models.
        request: Request of the user whose visibility applies.
        entries: Rows of the audit log.
    """
    admins = audited_admins(site)
    wanted: dict[type[Model], set[str]] = defaultdict(set)
    for entry in entries:
        if entry.resource_id is not None and entry.resource_type in admins:
            wanted[admins[entry.resource_type].model].add(str(entry.resource_id))
    return _labels(request, wanted)


def reference_labels(site: AdminSite, request: HttpRequest, entries: Iterable[Any]) -> Labels:
    """Return the names of rows that audited values refer to, by id.

    Takes one query, and another one if users are named whom the user may not view: it separates
    platform staff from the organization's own users.
    """
    admins = audited_admins(site)
    wanted: dict[type[Model], set[str]] = defaultdict(set)
    for entry in entries:
        if (owner := admins.get(entry.resource_type or "")) is None:
            continue
        for values in (entry.before, entry.after):
            for model, key in _references(owner.model, values or {}):
                wanted[model].add(key)
    names = _labels(request, wanted)
    for model, keys in wanted.items():
        if hasattr(model, "placeholder_for"):
            names |= _platform_labels(model, sorted(keys - names.keys())[:_MAX_LABELS])
    return names


def _platform_labels(model: Any, keys: list[str]) -> Labels:
    """Return placeholders for users who do not belong to the open organization."""
    if not keys:
        return {}
    own = {
        str(key) for key in model._default_manager.filter(pk__in=keys).values_list("pk", flat=True)
    }
    return {key: str(model.placeholder_for(UUID(key))) for key in keys if key not in own}


def _references(model: type[Model], values: dict[str, Any]) -> Iterator[tuple[type[Model], str]]:
    for field in model._meta.concrete_fields:
        value = values.get(str(field.column))
        if field.is_relation and isinstance(value, str) and _is_uuid(value):
            yield field.related_model, value  # type: ignore[misc]


def _is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def _labels(request: HttpRequest, wanted: dict[type[Model], set[str]]) -> Labels:
    parts = [
        restricted(model, request)
        .filter(pk__in=sorted(keys)[:_MAX_LABELS])
        .order_by()
        .annotate(label=_label(model))
        .values_list("pk", "label")
        for model, keys in wanted.items()
        if hasattr(model._default_manager, "restrict")
    ]
    if not parts:
        return {}
    first, *rest = parts
    return {
        str(key): label or str(key)[:8]
        for key, label in (first.union(*rest, all=True).order_by() if rest else first)
    }


def _label(model: type[Model]) -> Cast:
    names = {field.name for field in model._meta.concrete_fields}
    label_field = next((name for name in _LABEL_FIELDS if name in names), None)
    return Cast(F(label_field) if label_field else Value(""), TextField())
