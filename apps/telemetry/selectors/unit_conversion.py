"""Convert series to the units that a user chose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apps.telemetry.selectors import Series
from urfmp.common.units import Conversion, UnknownUnitError, conversion_for, quantity_of


def convert_series(found: list[Series], units: Sequence[str]) -> list[Series]:
    """Return series converted to the unit chosen for their quantity.

    Args:
        found: Series as stored; a series without a unit stays unchanged.
        units: Units, one per quantity; series of other quantities stay unchanged.

    Raises:
        UnknownUnitError: A unit fits none of the series, or a sum cannot be converted to it.
    """
    quantities = {quantity_of(one.unit) for one in found}
    have_units = all(one.unit for one in found)
    if have_units and (unused := [unit for unit in units if quantity_of(unit) not in quantities]):
        msg = f"None of these metrics can be shown in {', '.join(unused)}."
        raise UnknownUnitError(msg)
    return [_convert_one(one, conversion_for(one.unit, units)) for one in found]


def _convert_one(one: Series, conversion: Conversion) -> Series:
    if conversion.is_identity:
        return one
    if conversion.offset and "sum" in one.aggregations:
        msg = f"A sum cannot be shown in {conversion.unit}. Leave out the sum or the unit."
        raise UnknownUnitError(msg)
    converters: list[Callable[[Any], Any]] = [
        _unchanged if name == "count" else conversion.convert for name in one.aggregations
    ]
    points = [
        (time, *(convert(value) for convert, value in zip(converters, values, strict=True)))
        for time, *values in one.points
    ]
    return Series(
        one.robot_id,
        one.metric_name,
        conversion.unit,
        one.resolution_seconds,
        one.aggregations,
        points,
    )


def _unchanged(value: Any) -> Any:
    return value
