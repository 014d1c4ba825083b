"""Form field for rows that users add, remove and order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

Row = dict[str, str]
_MAX_ROWS = 500


@dataclass(frozen=True)
class Column:
    """One input of each row.

    Attributes:
        name: Key of its text in a row.
        label: Label, which screen readers hear with the number of the row.
        choices: Choices of a select; none for a text input.
        default: Text in a new row.
        kind: Keyboard of a phone: `text` or `decimal`.
        size: CSS width class: `wide`, `middle` or `narrow`.
        suggestions: Texts that a text input offers.
    """

    name: str
    label: str
    choices: Sequence[tuple[str, str]] = ()
    default: str = ""
    kind: str = "text"
    size: str = "middle"
    suggestions: Sequence[tuple[str, str]] = field(default_factory=tuple)


class RowsWidget(forms.Widget):
    """Rows of inputs; a script adds, removes and moves them."""

    class Media:
        js = ("urfmp/js/rows.js",)

    def __init__(self, columns: Sequence[Column], noun: str) -> None:
        """Initialize the widget.

        Args:
            columns: Inputs of each row; the first one is empty in a blank row.
            noun: What a row is, in lower case.
        """
        super().__init__()
        self.columns, self.noun = tuple(columns), noun

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Row]:
        """Return the rows as entered, without blank ones."""
        texts = [data.getlist(f"{name}_{column.name}") for column in self.columns]
        names = [column.name for column in self.columns]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*texts, strict=False)]
        return [row for row in rows if row[names[0]].strip()][:_MAX_ROWS]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Return whether the form has no such rows."""
        return f"{name}_{self.columns[0].name}" not in data

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """Return the rows."""
        blank = {column.name: column.default for column in self.columns}
        rows = [*(value or ()), blank]
        context = {
            "name": name,
            "noun": self.noun,
            "first_id": (attrs or {}).get("id", ""),
            "rows": [self._cells(row) for row in rows],
            "blank": self._cells(blank),
            "suggestions": [column for column in self.columns if column.suggestions],
            "input_class": " ".join(INPUT_CLASSES),
            "select_class": " ".join(SELECT_CLASSES),
        }
        return render_to_string("admin/inc/rows.html", context)

    def _cells(self, row: Mapping[str, str]) -> list[tuple[Column, str]]:
        return [(column, row.get(column.name, "")) for column in self.columns]


class RowsField(forms.Field):
    """A list of rows; each is a dictionary of texts."""

    def __init__(self, columns: Sequence[Column], noun: str, **kwargs: Any) -> None:
        """Every row is optional.

        Args:
            columns: Inputs of each row.
            noun: What a row is, in lower case.
            **kwargs: Arguments of `forms.Field`.
        """
        super().__init__(required=False, widget=RowsWidget(columns, noun), **kwargs)

    def to_python(self, value: Any) -> list[Row]:
        """Return the rows with trimmed texts."""
        return [{name: text.strip() for name, text in row.items()} for row in value or ()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether a row differs."""
        return self.to_python(initial) != self.to_python(data)
