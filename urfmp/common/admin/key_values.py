"""Form field for a JSON object: rows of name and value."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import INPUT_CLASSES

Rows = list[tuple[str, str]]
_BLANK_ROWS = 2
_MAX_ROWS = 200
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,6})?")


def _is_simple(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _text(value: Any) -> str:
    """Return a simple JSON value as users enter it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _value(text: str) -> Any:
    """Return a boolean, a number or the text itself."""
    is_json = text in {"true", "false"} or _NUMBER.fullmatch(text)
    return json.loads(text) if is_json else text


class KeyValueWidget(forms.Widget):
    """Rows of two inputs, and some empty ones for new entries."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Rows:
        """Return the rows as entered."""
        names, values = data.getlist(f"{name}_name"), data.getlist(f"{name}_value")
        return list(zip(names, values, strict=False))[:_MAX_ROWS]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Return whether the form has no such rows."""
        return f"{name}_name" not in data

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """Return the rows; a screen reader reads the number of each."""
        rows: Rows = [*(value or ()), *[("", "")] * _BLANK_ROWS]
        classes = " ".join(INPUT_CLASSES)
        first_id = (attrs or {}).get("id", "")
        inputs = format_html_join(
            "",
            '<div class="u-key-value"><input type="text" name="{0}_name" value="{2}" class="{4}"{5}'
            ' aria-label="Name {1}" placeholder="Name"><input type="text" name="{0}_value"'
            ' value="{3}" class="{4}" aria-label="Value {1}" placeholder="Value"></div>',
            (
                (
                    name,
                    number,
                    key,
                    text,
                    classes,
                    format_html(' id="{}"', first_id) if number == 1 and first_id else "",
                )
                for number, (key, text) in enumerate(rows, 1)
            ),
        )
        return format_html('<div class="u-key-values">{}</div>', inputs)


class KeyValueField(forms.Field):
    """A JSON object; entries with nested values are not shown, and kept."""

    widget = KeyValueWidget

    def __init__(self, **kwargs: Any) -> None:
        """Every entry is optional."""
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> Rows:
        """Return the rows of the simple entries."""
        if isinstance(value, dict):
            return [(name, _text(item)) for name, item in value.items() if _is_simple(item)]
        return [(name, text) for name, text in value or () if name or text]

    def to_python(self, value: Any) -> dict[str, str]:
        """Return the texts by name.

        Raises:
            ValidationError: A name is missing or repeated.
        """
        found: dict[str, str] = {}
        for name, text in ((name.strip(), text.strip()) for name, text in value or ()):
            if not name and text:
                msg = f"Enter a name for the value {text[:50]}."
                raise ValidationError(msg)
            if name in found:
                msg = f"The name {name[:50]} is repeated."
                raise ValidationError(msg)
            if name:
                found[name] = text
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether an entry differs."""
        try:
            return self.to_python(data) != dict(self.prepare_value(initial or {}))
        except ValidationError:
            return True


def merged_entries(stored: dict[str, Any] | None, texts: dict[str, str]) -> dict[str, Any]:
    """Return an object with entries from a form.

    Unchanged entries keep their type, and nested ones stay.

    Args:
        stored: The object before.
        texts: Cleaned value of a `KeyValueField`.
    """
    old = stored or {}
    kept = {name: value for name, value in old.items() if not _is_simple(value)}
    changed = {
        name: old[name]
        if name in old and _is_simple(old[name]) and _text(old[name]) == text
        else _value(text)
        for name, text in texts.items()
    }
    return kept | changed


def nested_names(stored: dict[str, Any] | None) -> list[str]:
    """Return the names of the entries that the form does not show."""
    return [name for name, value in (stored or {}).items() if not _is_simple(value)]
