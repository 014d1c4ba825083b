"""Scale, rotation and origin of a floor plan, from two points.

Pixels count right and down from the upper left corner. Metres are those of the facility, with the y
axis to the left of the x axis. Two points determine the similarity between both, which is a line
in complex numbers: W = a * conj(p) + b, with p = x + iy in pixels and W = X + iY in metres.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

MAX_METRES = 1e6
MIN_DISTANCE_PIXELS = 10
MIN_DISTANCE_METRES = 0.1
_NAMES = ("x_px", "y_px", "x_m", "y_m")


@dataclass(frozen=True)
class CalibrationPoint:
    """A point in the picture with its coordinates in the facility."""

    x_px: float
    y_px: float
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Calibration:
    """The similarity that two points determine."""

    first: CalibrationPoint
    second: CalibrationPoint

    @classmethod
    def from_document(cls, document: Any) -> Calibration:
        """Return the calibration of a stored document, which was validated."""
        first, second = (CalibrationPoint(**point) for point in document["points"])
        return cls(first, second)

    def document(self) -> dict[str, Any]:
        """Return the calibration as it is stored."""
        points = (self.first, self.second)
        return {"points": [{name: getattr(one, name) for name in _NAMES} for one in points]}

    @property
    def _factor(self) -> complex:
        pixels = complex(self.second.x_px - self.first.x_px, self.first.y_px - self.second.y_px)
        return complex(self.second.x_m - self.first.x_m, self.second.y_m - self.first.y_m) / pixels

    @property
    def metres_per_pixel(self) -> float:
        """Length of a pixel."""
        return abs(self._factor)

    @property
    def rotation_rad(self) -> float:
        """Angle of the picture's x axis in the facility, counter-clockwise."""
        return cmath.phase(self._factor)

    def to_metres(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return the coordinates of a point of the picture."""
        offset = complex(x_px - self.first.x_px, self.first.y_px - y_px)
        found = self._factor * offset + complex(self.first.x_m, self.first.y_m)
        return found.real, found.imag

    def matrix(self) -> list[float]:
        """Return the matrix from pixels to metres.

        It is a, b, c, d, e, f: X = a*x + c*y + e and Y = b*x + d*y + f.
        """
        a = self._factor
        origin = self.to_metres(0, 0)
        return [a.real, a.imag, a.imag, -a.real, *origin]


def validated_calibration(points: Any, width_px: int, height_px: int) -> Calibration:
    """Return the calibration of two points.

    Args:
        points: Two mappings of `x_px`, `y_px`, `x_m` and `y_m`.
        width_px: Width of the picture.
        height_px: Height of the picture.

    Raises:
        ValidationError: A point is outside of the picture, or the points are too close.
    """
    if not isinstance(points, list | tuple) or len(points) != 2:
        raise ValidationError({"points": "Enter two points."})
    first, second = (_point(point, width_px, height_px) for point in points)
    if math.dist((first.x_px, first.y_px), (second.x_px, second.y_px)) < MIN_DISTANCE_PIXELS:
        msg = "The two points are the same place in the picture. Choose points that are far apart."
        raise ValidationError({"points": msg})
    if math.dist((first.x_m, first.y_m), (second.x_m, second.y_m)) < MIN_DISTANCE_METRES:
        msg = "The two points have the same coordinates. Enter those of two different places."
        raise ValidationError({"points": msg})
    return Calibration(first, second)


def _point(point: Any, width_px: int, height_px: int) -> CalibrationPoint:
    values: list[Any] = [point.get(name) for name in _NAMES] if isinstance(point, dict) else []
    if len(values) != 4 or not all(_is_number(value) for value in values):
        raise ValidationError({"points": "A point consists of x_px, y_px, x_m and y_m."})
    found = CalibrationPoint(*(float(value) for value in values))
    if not (0 <= found.x_px <= width_px and 0 <= found.y_px <= height_px):
        raise ValidationError({"points": "A point is outside of the picture."})
    if max(abs(found.x_m), abs(found.y_m)) > MAX_METRES:
        msg = f"Coordinates are between -{MAX_METRES:,.0f} and {MAX_METRES:,.0f} m."
        raise ValidationError({"points": msg})
    return found


def _is_number(value: Any) -> bool:
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and abs(value) < 1e300
