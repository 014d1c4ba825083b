"""What the forms of the work page send."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from apps.maintenance.choices import MAX_DURATION_MINUTES
from apps.maintenance.models import MaintenanceTask, PartStock
from apps.maintenance.services.task_completion import CompletionSheet
from apps.maintenance.services.task_files import task_file_check
from apps.maintenance.services.tasks import Findings, StepEntry

QUANTITY = "quantity-"
_MAX_NOTE_CHARS = 10_000
_MAX_PARTS = 50


class PhoneDecimalField(forms.DecimalField):
    """A number with a decimal point or, as phones offer, a comma."""

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Return the number.

        Raises:
            ValidationError: The text is not a number.
        """
        text = str(value or "").strip().replace(",", ".")
        if not text:
            return None
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


class _Form(forms.Form):
    def values(self) -> dict[str, Any]:
        """Return the valid values.

        Raises:
            ValidationError: One is invalid.
        """
        if not self.is_valid():
            raise ValidationError([str(t) for texts in self.errors.values() for t in texts])
        return self.cleaned_data

    def value(self, name: str) -> Any:
        """Return one of the values.

        Raises:
            ValidationError: A value is invalid.
        """
        return self.values()[name]


class HoldForm(_Form):
    """Why the work stops."""

    reason = forms.CharField(
        error_messages={"required": "Enter what the work waits for."}, strip=True
    )


class StepForm(_Form):
    """An entry of the checklist, and the version that the page showed."""

    outcome = forms.CharField(required=False)
    number = PhoneDecimalField(required=False)
    text = forms.CharField(required=False)
    version = forms.IntegerField(required=False, min_value=0)

    def entry(self) -> tuple[StepEntry, int | None]:
        """Return the entry and the version.

        Raises:
            ValidationError: A value is invalid.
        """
        values = self.values()
        entry = StepEntry(values["outcome"] or None, values["number"], values["text"] or None)
        return entry, values["version"]


class SheetForm(_Form):
    """The completion sheet, without parts and photos."""

    minutes = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_DURATION_MINUTES,
        error_messages={"invalid": "Enter the minutes as a whole number."},
    )
    note = forms.CharField(required=False, max_length=_MAX_NOTE_CHARS)
    failure = forms.CharField(required=False)
    cause = forms.CharField(required=False)
    remedy = forms.CharField(required=False)


def completion_sheet(request: HttpRequest, task: MaintenanceTask) -> CompletionSheet:
    """Return what the technician has entered.

    Raises:
        ValidationError: A value is invalid, or a stock is unknown.
    """
    values = SheetForm(request.POST).values()
    photos = [
        (task_file_check(file.read()), str(file.name)) for file in request.FILES.getlist("photo")
    ]
    return CompletionSheet(
        notes=values["note"] or None,
        minutes=values["minutes"],
        findings=Findings(values["failure"], values["cause"], values["remedy"]),
        parts=_used(request),
        photos=photos,
    )


def _used(request: HttpRequest) -> list[tuple[PartStock, Decimal]]:
    field = PhoneDecimalField(required=False, error_messages={"invalid": "Enter a quantity."})
    wanted = {}
    for name in [n for n in request.POST if n.startswith(QUANTITY)][:_MAX_PARTS]:
        quantity = field.clean(request.POST[name])
        if quantity:
            wanted[name.removeprefix(QUANTITY)] = quantity
    try:
        keys = {UUID(key): quantity for key, quantity in wanted.items()}
    except ValueError as error:
        msg = "Load the page again."
        raise ValidationError(msg) from error
    stocks = PartStock.objects.restrict(request.user).filter(pk__in=keys)
    found = [(stock, keys[stock.pk]) for stock in stocks.select_related("part")]
    if len(found) < len(keys):
        msg = "A part is no longer kept in this place. Load the page again."
        raise ValidationError(msg)
    return found
