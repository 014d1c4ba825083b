"""Series in the units that a reader wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apps.telemetry.selectors import Series
from urfmp.common.units import Conversion, UnknownUnitError, conversion, kind_of


def in_units(answer: list[Series], wanted: Sequence[str]) -> list[Series]:
    """Return series with the values of each kind in the unit that is wanted for it.

    Args:
        answer: As they are stored; a series without a unit stays as it is.
        wanted: Units, each of its own kind of quantity; series of other kinds stay.

    Raises:
        UnknownUnitError: A unit fits none of the series, or cannot be had for a sum.
    """
    kinds = {kind_of(one.unit) for one in answer}
    is_known = all(one.unit for one in answer)
    if is_known and (beside := [unit for unit in wanted if kind_of(unit) not in kinds]):
        msg = f"None of these metrics can be shown in {', '.join(beside)}."
        raise UnknownUnitError(msg)
    return [_shown(one, conversion(one.unit, wanted)) for one in answer]


def _shown(one: Series, how: Conversion) -> Series:
    if how.is_none:
        return one
    if how.offset and "sum" in one.aggregations:
        msg = f"A sum has no meaning in {how.unit}; leave out sum, or the unit."
        raise UnknownUnitError(msg)
    columns: list[Callable[[Any], Any]] = [
        _as_is if name == "count" else how.of for name in one.aggregations
    ]
    points = [
        (time, *(show(value) for show, value in zip(columns, values, strict=True)))
        for time, *values in one.points
    ]
    return Series(
        one.robot_id, one.metric_name, how.unit, one.resolution_seconds, one.aggregations, points
    )


def _as_is(value: Any) -> Any:
    return value
