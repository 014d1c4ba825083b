"""Number of open alerts, for the header of every page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Value

from apps.alerts.choices.alerts import AlertSeverity
from apps.alerts.models import Alert, NotificationPreference

MAX_COUNT = 100
_SOUND = "sound"


@dataclass(frozen=True)
class OpenAlertCounts:
    """Open alerts by severity, the highest first.

    Attributes:
        by_severity: Severities with at least one open alert, and their number, at most 100 each.
        has_sound: Whether the user wants a sound for new critical alerts.
    """

    by_severity: list[tuple[AlertSeverity, int]]
    has_sound: bool = False

    @property
    def total(self) -> int:
        """Number of open alerts."""
        return sum(count for _, count in self.by_severity)

    @property
    def text(self) -> str:
        """The number as text; exact below 100."""
        return f"{MAX_COUNT - 1}+" if self.total >= MAX_COUNT else str(self.total)

    @property
    def worst(self) -> AlertSeverity | None:
        """Highest severity of the open alerts."""
        return self.by_severity[0][0] if self.by_severity else None

    @property
    def label(self) -> str:
        """The counts as a sentence for screen readers."""
        if not self.by_severity:
            return "No open alerts"
        parts = [
            f"{f'{MAX_COUNT - 1}+' if count >= MAX_COUNT else count} {severity.label.lower()}"
            for severity, count in self.by_severity
        ]
        noun = "open alert" if self.total == 1 else "open alerts"
        return f"{self.text} {noun}: {', '.join(parts)}"


def open_alert_counts(user: Any) -> OpenAlertCounts:
    """Return the counts that a user may see, and the sound preference.

    Runs one query. At most 100 rows of a severity are read, so that the header costs the same with
    any number of alerts.
    """
    rows = Alert.objects.restrict(user).unresolved().order_by()
    parts = [
        rows.filter(severity=severity).values_list("severity", flat=True)[:MAX_COUNT]
        for severity in AlertSeverity
    ]
    sound = (
        NotificationPreference.objects.filter(user_id=user.pk, has_sound=True)
        .order_by()
        .values_list(Value(_SOUND, output_field=CharField()), flat=True)[:1]
    )
    counts = Counter(sound.union(*parts, all=True))
    severities = [severity for severity in reversed(AlertSeverity) if counts[severity.value]]
    return OpenAlertCounts(
        [(severity, counts[severity.value]) for severity in severities],
        has_sound=bool(counts[_SOUND]),
    )
