"""Form fields for local times, with repeated and skipped hours."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from urfmp.common.db.fields import validate_datetime_range
from urfmp.common.time.local import (
    local_instants,
    offset_choices,
    offset_text,
    resolve_exact_local,
    resolve_local,
)

REPEATED_TIME_LABEL = "Which of the two, as the clock goes back"


class LocalDateTimeInput(forms.DateTimeInput):
    """An input without offset; another parameter selects one of two repeated times.

    The parameter is `<name>_offset`, such as `+02:00`.
    """

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the text, with the offset of a repeated time."""
        text = str(data.get(name) or "").strip()
        offset = str(data.get(f"{name}_offset") or "")
        return f"{text}{offset}" if offset in dict(offset_choices(naive_time(text))) else text


class LocalDateTimeField(forms.DateTimeField):
    """A bound of a range: a local datetime, or one with offset.

    A repeated time without offset means its first occurrence, or the second for an end, so that
    the range includes all that the user names.
    """

    widget = LocalDateTimeInput

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        """Limit the years."""
        super().__init__(validators=[validate_datetime_range], **kwargs)
        self.is_end = is_end

    def to_python(self, value: Any) -> datetime | None:
        """Return the instant.

        Raises:
            ValidationError: The text is not a datetime, or the clock skips it.
        """
        if value in self.empty_values:
            return None
        parsed = _parse(value)
        if parsed is None:
            parsed = cast("datetime", forms.fields.BaseTemporalField.to_python(self, value))
        return parsed if timezone.is_aware(parsed) else resolve_local(parsed, latest=self.is_end)


class LocalSplitDateTimeField(forms.MultiValueField):
    """A local date and time, with the offset of repeated times.

    A repeated time that the user does not change keeps its offset.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Create the fields of date, time and offset."""
        for name in ("input_date_formats", "input_time_formats"):
            kwargs.pop(name, None)
        fields = (
            forms.DateField(error_messages={"incomplete": "Enter a date."}),
            forms.TimeField(error_messages={"incomplete": "Enter a time."}),
            forms.CharField(required=False, max_length=9),
        )
        self.unchanged: Any = None
        super().__init__(fields, require_all_fields=False, **kwargs)

    def get_bound_field(self, form: Any, field_name: str) -> forms.BoundField:
        """Remember the stored value, whose offset stays without another choice."""
        self.unchanged = form.get_initial_for_field(self, field_name)
        return super().get_bound_field(form, field_name)

    def clean(self, value: Any) -> Any:
        """Return the instant; an offset without date and time counts as empty.

        Raises:
            ValidationError: A part is invalid, or the time is skipped or repeated.
        """
        if isinstance(value, list | tuple) and not any(value[:2]):
            value = []
        return super().clean(value)

    def clean_text(self, text: str) -> Any:
        """Return the instant of a text in ISO 8601.

        Raises:
            ValidationError: The text is not a datetime, or the time is skipped or repeated.
        """
        parsed = _parse(text)
        if parsed is None or timezone.is_naive(parsed):
            return self.clean(text.strip().replace("T", " ", 1).split(" ", 1))
        self.run_validators(parsed)
        return parsed

    def compress(self, data_list: list[Any]) -> datetime | None:
        """Return the instant."""
        if not data_list:
            return None
        day, clock, offset = data_list
        value = datetime.combine(day, clock)
        return resolve_exact_local(value, offset=offset or self._stored_offset(value))

    def _stored_offset(self, value: datetime) -> str:
        stored = self.unchanged
        if not isinstance(stored, datetime) or timezone.is_naive(stored):
            return ""
        local = timezone.localtime(stored)
        is_same = local.replace(tzinfo=None, microsecond=0, fold=0) == value
        return offset_text(local) if is_same else ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether date, time or a given offset changed."""
        if isinstance(initial, datetime):
            initial = self.widget.decompress(initial)
            if not data or not data[-1]:
                initial[-1] = ""
        return super().has_changed(initial, data)


def naive_time(*parts: Any) -> datetime | None:
    """Return the local time of texts; None if they have none."""
    with suppress(ValidationError, TypeError, ValueError):
        if len(parts) == 1:
            parsed = _parse(parts[0])
            return parsed if parsed is not None and timezone.is_naive(parsed) else None
        day, clock = parts
        day = day if isinstance(day, date) else forms.DateField().clean(day)
        clock = clock if isinstance(clock, time) else forms.TimeField().clean(clock)
        return datetime.combine(day, clock)
    return None


def split_local(value: datetime) -> list[Any]:
    """Return an instant's local date, time and offset, if repeated."""
    local = timezone.localtime(value)
    naive = local.replace(tzinfo=None, fold=0)
    offset = offset_text(local) if len(local_instants(naive)) == 2 else ""
    return [naive.date(), naive.time(), offset]


def _parse(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return parse_datetime(str(value).strip())
    except ValueError:
        return None
