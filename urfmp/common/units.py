"""Convert units for display; stored values stay as they were sent.

Codes are UCUM codes where UCUM has a common one. All conversions are linear, so that averages,
minimums and maximums are converted like single values. Sources of the factors:

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
# By quantity: the size of each unit in the first unit of the quantity.
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
# The zero point of these units in the first unit of their quantity; others have none.
_ZERO_OFFSETS = {"K": Fraction("-273.15"), "[degF]": Fraction(-160, 9)}
# Other spellings of units.
_ALIASES = {"°C": "Cel", "C": "Cel", "°F": "[degF]", "°": "deg", "N.m": "Nm", "kW.h": "kWh"}
# Names and spellings that ingest replaces by the code, compared without case. Each is unmistakable:
# `C` is missing, because it is UCUM's code of the coulomb.
_SYNONYMS = {
    "Cel": "celsius|degc|deg c|°c|℃|degree celsius|degrees celsius|centigrade",
    "K": "kelvin|degk|°k",
    "[degF]": "fahrenheit|degf|deg f|°f|℉|degree fahrenheit|degrees fahrenheit",
    "deg": "degree|degrees|°", "rad": "radian|radians",
    "rad/s": "rad/sec|radian/s|radians/s|radians/second",
    "deg/s": "deg/sec|°/s|degrees/s|degrees/second",
    "{rev}/min": "rpm|rev/min|r/min",
    "m/s": "m/sec|meters/second|metres/second|mps", "mm/s": "mm/sec",
    "km/h": "kph|kmh|kmph|km/hr",
    "m": "meter|meters|metre|metres",
    "mm": "millimeter|millimeters|millimetre|millimetres",
    "cm": "centimeter|centimeters|centimetre|centimetres",
    "km": "kilometer|kilometers|kilometre|kilometres",
    "[in_i]": "inch|inches", "[ft_i]": "foot|feet|ft",
    "W": "watt|watts", "kW": "kilowatt|kilowatts", "A": "amp|amps|ampere|amperes",
    "mA": "milliamp|milliamps|milliampere|milliamperes", "V": "volt|volts",
    "mV": "millivolt|millivolts", "kWh": "kw.h|kw*h|kilowatt hour|kilowatt hours",
    "Wh": "w.h|watt hour|watt hours", "Pa": "pascal|pascals", "[psi]": "psi",
    "N": "newton|newtons", "[lbf_av]": "lbf", "Nm": "n.m|n*m|n·m|newton meter|newton meters",
    "kg": "kilogram|kilograms", "g": "gram|grams", "[lb_av]": "lb|lbs|pound|pounds",
    "s": "sec|second|seconds", "ms": "msec|millisecond|milliseconds", "min": "minute|minutes|mins",
    "h": "hour|hours|hr|hrs", "d": "day|days", "Hz": "hertz", "%": "percent|pct",
}  # fmt: skip
_CODE_OF_SYNONYM = {name: code for code, names in _SYNONYMS.items() for name in names.split("|")}
_QUANTITY_OF_UNIT = {unit: quantity for quantity, units in _SIZES.items() for unit in units}


class UnknownUnitError(ApplicationError):
    """Values cannot be converted to this unit."""

    code = "unknown_unit"
    status = 400


@dataclass(frozen=True)
class Conversion:
    """A linear conversion: value * factor + offset, in `unit`."""

    unit: str | None
    factor: float = 1.0
    offset: float = 0.0

    @property
    def is_identity(self) -> bool:
        """True if values stay unchanged."""
        return self.factor == 1 and self.offset == 0

    def convert(self, value: float | None) -> float | None:
        """Return a value converted to `unit`.

        None if it exceeds the range of a double.
        """
        if value is None:
            return None
        converted = value * self.factor + self.offset
        return converted if math.isfinite(converted) else None


def quantity_of(unit: str | None) -> str | None:
    """Return the quantity that a unit measures, if known."""
    return _QUANTITY_OF_UNIT.get(_ALIASES.get(unit or "", unit or ""))


def canonical_unit(unit: str) -> str:
    """Return the code of a known spelling, or the unit itself."""
    return _CODE_OF_SYNONYM.get(unit.strip().casefold(), unit)


def units_of_quantity(quantity: str) -> list[str]:
    """Return the units in which a quantity can be shown."""
    return list(_SIZES[quantity])


def check_units(units: Sequence[str]) -> None:
    """Reject units that values cannot be converted to.

    Raises:
        UnknownUnitError: A unit is not known, or two units measure the same quantity.
    """
    quantities = [quantity_of(unit) for unit in units]
    if unknown := [
        unit for unit, quantity in zip(units, quantities, strict=True) if quantity is None
    ]:
        msg = f"Values cannot be shown in {', '.join(unknown)}."
        raise UnknownUnitError(msg)
    if len(set(quantities)) < len(quantities):
        msg = "Name only one unit for each quantity."
        raise UnknownUnitError(msg)


def conversion_for(stored: str | None, wanted: Sequence[str]) -> Conversion:
    """Return the conversion to the chosen unit of the same quantity.

    Without such a unit, values stay unchanged.

    Args:
        stored: Unit of the stored values; None if they have none.
        wanted: Units to show values in, one per quantity.
    """
    quantity = quantity_of(stored)
    target = next((unit for unit in wanted if quantity and quantity_of(unit) == quantity), None)
    if quantity is None or target is None or stored is None:
        return Conversion(stored)
    size, zero = _size_and_zero(quantity, stored)
    target_size, target_zero = _size_and_zero(quantity, target)
    return Conversion(target, float(size / target_size), float((zero - target_zero) / target_size))


def _size_and_zero(quantity: str, unit: str) -> tuple[Fraction, Fraction]:
    code = _ALIASES.get(unit, unit)
    return Fraction(_SIZES[quantity][code]), _ZERO_OFFSETS.get(code, Fraction(0))
