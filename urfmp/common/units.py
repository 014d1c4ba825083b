"""Units for display: what is stored stays as it was sent.

Codes are UCUM's where it has one people write. All conversions are linear, so that an average,
least or greatest value is converted like a single one. The sources of the numbers:

- SI brochure (BIPM, 9th edition): t/Cel = T/K - 273.15; 1 deg = pi/180 rad; 1 h = 3600 s;
  1 bar = 100 000 Pa; 1 kWh = 3.6 MJ.
- NIST Special Publication 811, appendix B: T/K = (t/degF + 459.67) / 1.8; 1 in = 25.4 mm,
  1 ft = 12 in, 1 lb = 0.453 592 37 kg, all exact; standard gravity 9.806 65 m/s2 makes
  1 lbf = 0.453 592 37 * 9.806 65 N and 1 psi = 1 lbf/in2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from urfmp.common.exceptions import ApplicationError

_INCH = Fraction("0.0254")
_POUND_FORCE = Fraction("0.45359237") * Fraction("9.80665")
_ANGLES = {"rad": Fraction(1), "deg": Fraction(math.pi) / 180}
_Size = Fraction | int | str
# By kind of quantity: how many of the first unit one of each is.
_SIZES: dict[str, dict[str, _Size]] = {
    "Temperature": {"Cel": 1, "K": 1, "[degF]": Fraction(5, 9)},
    "Angle": {**_ANGLES},
    "Angular velocity": {
        **{f"{unit}/s": size for unit, size in _ANGLES.items()},
        "{rev}/min": Fraction(2 * math.pi) / 60,
    },
    "Speed": {"m/s": 1, "mm/s": "0.001", "m/min": Fraction(1, 60), "km/h": Fraction(5, 18)},
    "Length": {
        "m": 1, "mm": "0.001", "cm": "0.01", "km": 1000, "[in_i]": _INCH, "[ft_i]": 12 * _INCH,
    },
    "Power": {"W": 1, "kW": 1000},
    "Electric current": {"A": 1, "mA": "0.001"},
    "Voltage": {"V": 1, "mV": "0.001"},
    "Energy": {"kWh": 1, "Wh": "0.001", "MJ": Fraction(5, 18), "kJ": Fraction(1, 3600)},
    "Pressure": {
        "bar": 1, "mbar": "0.001", "Pa": "0.00001", "kPa": "0.01", "MPa": 10,
        "[psi]": _POUND_FORCE / _INCH**2 / 100_000,
    },
    "Force": {"N": 1, "kN": 1000, "[lbf_av]": _POUND_FORCE},
    "Torque": {"Nm": 1, "[lbf_av].[ft_i]": _POUND_FORCE * 12 * _INCH},
    "Mass": {"kg": 1, "g": "0.001", "t": 1000, "[lb_av]": "0.45359237"},
    "Time": {"s": 1, "ms": "0.001", "min": 60, "h": 3600, "d": 86400},
    "Frequency": {"Hz": 1, "kHz": 1000, "/min": Fraction(1, 60)},
}  # fmt: skip
# What the first unit of its kind shows where one of these is zero; the others begin together.
_ZEROS = {"K": Fraction("-273.15"), "[degF]": Fraction(-160, 9)}
# Other ways in which the same unit is sent.
_ALIASES = {"°C": "Cel", "C": "Cel", "°F": "[degF]", "°": "deg", "N.m": "Nm", "kW.h": "kWh"}
_KIND_OF = {unit: kind for kind, units in _SIZES.items() for unit in units}


class UnknownUnitError(ApplicationError):
    """There is no conversion to this unit."""

    code = "unknown_unit"
    status = 400  # type: ignore[assignment]


@dataclass(frozen=True)
class Conversion:
    """A value times `factor` plus `offset` is the value in `unit`."""

    unit: str | None
    factor: float = 1.0
    offset: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether values stay as they are."""
        return self.factor == 1 and self.offset == 0

    def of(self, value: float | None) -> float | None:
        """Return a value in the other unit."""
        return None if value is None else value * self.factor + self.offset


def kind_of(unit: str | None) -> str | None:
    """Return the kind of quantity that a unit measures; None for one that is not converted."""
    return _KIND_OF.get(_ALIASES.get(unit or "", unit or ""))


def units_of_kind(kind: str) -> list[str]:
    """Return the units in which a kind of quantity can be shown."""
    return list(_SIZES[kind])


def check_units(units: Sequence[str]) -> None:
    """Refuse what values cannot be converted to.

    Raises:
        UnknownUnitError: One of the units is not known, or two are of one kind.
    """
    kinds = [kind_of(unit) for unit in units]
    if unknown := [unit for unit, kind in zip(units, kinds, strict=True) if kind is None]:
        msg = f"Values cannot be shown in {', '.join(unknown)}."
        raise UnknownUnitError(msg)
    if len(set(kinds)) < len(kinds):
        msg = "Name one unit for each kind of quantity."
        raise UnknownUnitError(msg)


def conversion(stored: str | None, wanted: Sequence[str]) -> Conversion:
    """Return how values of a unit are shown, where `wanted` names a unit of the same kind.

    Args:
        stored: The unit in which the values came; None where none was sent.
        wanted: Units to show values in, each for its own kind of quantity.
    """
    kind = kind_of(stored)
    target = next((unit for unit in wanted if kind and kind_of(unit) == kind), None)
    if kind is None or target is None or stored is None:
        return Conversion(stored)
    size, zero = _scale(kind, stored)
    target_size, target_zero = _scale(kind, target)
    return Conversion(target, float(size / target_size), float((zero - target_zero) / target_size))


def _scale(kind: str, unit: str) -> tuple[Fraction, Fraction]:
    code = _ALIASES.get(unit, unit)
    return Fraction(_SIZES[kind][code]), _ZEROS.get(code, Fraction(0))
