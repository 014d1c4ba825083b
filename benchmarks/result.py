"""What a row of the table says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Result:
    """One measured figure beside its yardstick.

    Attributes:
        what: What was measured, in a few words.
        ours: Our figure with its unit.
        yardstick: What it is compared with; empty where the target is an absolute one.
        ratio: Ours by the yardstick; empty where there is none.
        target: What has to be reached.
        is_met: Whether it was.
        notes: Lines that say more, printed below the row.
    """

    what: str
    ours: str
    yardstick: str
    ratio: str
    target: str
    is_met: bool
    notes: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        """Return the row as the table prints it."""
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
