"""One row of the result table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """One measured figure and its yardstick.

    Attributes:
        what: Short description of the measurement.
        ours: The product's figure with its unit.
        yardstick: Figure of the comparison; empty for an absolute target.
        ratio: The product's figure divided by the yardstick; empty without one.
        target: Target to reach.
        is_met: Whether the target was reached.
        notes: Additional lines, printed below the row.
    """

    what: str
    ours: str
    yardstick: str
    ratio: str
    target: str
    is_met: bool
    notes: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the row."""
        verdict = "ok" if self.is_met else "MISSED"
        return self.what, self.ours, self.yardstick, self.ratio, self.target, verdict


HEADINGS = ("what", "ours", "yardstick", "ratio", "target", "ok")


def table(results: Iterable[Result]) -> str:
    """Return the results as a Markdown table."""
    rows = [HEADINGS, *(result.cells() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
