"""Base classes of the admin; see `base`."""

from __future__ import annotations

from urfmp.common.admin.actions import ObjectAction
from urfmp.common.admin.base import OrganizationScopedAdmin, ReadOnlyAdmin
from urfmp.common.admin.forms import BlankJsonField, ScopedModelForm, error_messages
from urfmp.common.admin.labels import audited_admins, object_labels, reference_labels
from urfmp.common.admin.lists import (
    AutocompleteFilter,
    RelatedOnlyFilter,
    ScopedChangeList,
    TimeRangeFilter,
)
from urfmp.common.admin.search import RecentRowsSearchMixin
from urfmp.common.admin.visibility import request_user, restricted

__all__ = [
    "AutocompleteFilter",
    "BlankJsonField",
    "ObjectAction",
    "OrganizationScopedAdmin",
    "ReadOnlyAdmin",
    "RecentRowsSearchMixin",
    "RelatedOnlyFilter",
    "ScopedChangeList",
    "ScopedModelForm",
    "TimeRangeFilter",
    "audited_admins",
    "error_messages",
    "object_labels",
    "reference_labels",
    "request_user",
    "restricted",
]
