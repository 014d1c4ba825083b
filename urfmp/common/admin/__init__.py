"""The admin's base classes, see `base`."""

from __future__ import annotations

from urfmp.common.admin.actions import ObjectAction
from urfmp.common.admin.base import OrganizationScopedAdmin, ReadOnlyAdmin
from urfmp.common.admin.forms import BlankJsonField, ScopedModelForm, refusal_messages
from urfmp.common.admin.labels import audited_admins, object_names, reference_names
from urfmp.common.admin.lists import (
    AutocompleteFilter,
    RelatedOnlyFilter,
    ScopedChangeList,
    TimeRangeFilter,
)
from urfmp.common.admin.search import NewestSearchMixin
from urfmp.common.admin.visibility import restricted, viewer

__all__ = [
    "AutocompleteFilter",
    "BlankJsonField",
    "NewestSearchMixin",
    "ObjectAction",
    "OrganizationScopedAdmin",
    "ReadOnlyAdmin",
    "RelatedOnlyFilter",
    "ScopedChangeList",
    "ScopedModelForm",
    "TimeRangeFilter",
    "audited_admins",
    "object_names",
    "reference_names",
    "refusal_messages",
    "restricted",
    "viewer",
]
