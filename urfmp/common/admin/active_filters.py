"""Active filters of a change list, to be shown and removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.views.main import ChangeList

_MAX_VALUE_CHARACTERS = 60


@dataclass(frozen=True)
class ActiveFilter:
    """A filter in use.

    Attributes:
        title: Name of the filter.
        value: Selected value as the filter's form shows it.
        query: Query string of the list without this filter, `?` included.
    """

    title: str
    value: str
    query: str


def active_filters(changelist: ChangeList) -> list[ActiveFilter]:
    """Return the filters in the address of a list, in its order."""
    sent = {name for name, value in changelist.filter_params.items() if any(value)}
    found = []
    for spec in changelist.filter_specs:
        names = sent.intersection(name for name in spec.expected_parameters() if name)
        if names:
            value = ", ".join(_values(spec, changelist))[:_MAX_VALUE_CHARACTERS]
            query = _query_without(changelist, names)
            found.append(ActiveFilter(str(spec.title), value, query))
    return found


def _query_without(changelist: ChangeList, names: set[str]) -> str:
    """Return the query string without some parameters, on the first page."""
    # `get_query_string` would also remove parameters whose names begin with one of these.
    kept = {name: value for name, value in changelist.filter_params.items() if name not in names}
    return f"?{urlencode(kept, doseq=True)}"


def _values(spec: Any, changelist: ChangeList) -> Iterator[str]:
    for choice in spec.choices(changelist):
        form = choice.get("form")
        if form is None:
            if choice.get("selected"):
                yield str(choice["display"])
        else:
            for bound in form:
                yield from _texts(bound)


def _texts(bound: forms.BoundField) -> Iterator[str]:
    """Yield the labels of selected choices, or the entered text."""
    field: Any = bound.field
    value = bound.value()
    values = value if isinstance(value, list) else [value]
    if isinstance(field, forms.ModelChoiceField):
        rows: Any = field.queryset  # the visible ones
        yield from (str(row) for row in rows.filter(pk__in=[pk for pk in values if pk]))
    elif isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        chosen = set(map(str, values))
        yield from (str(label) for key, label in choices if str(key) in chosen)
    elif isinstance(field, forms.MultiValueField):  # one end of a range of datetimes
        if text := " ".join(str(part) for part in value or () if part):
            yield f"{bound.name.rpartition('_')[2]} {text}"
    elif value:
        yield str(value)
