"""Alerts in the forms of Alertmanager: API v2 and webhook version 4."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.alerts.choices.alerts import ALERTMANAGER_KEY_PREFIX, AlertSeverity
from apps.alerts.choices.notifications import AuthScheme
from apps.alerts.models import Alert, NotificationChannel
from urfmp.common.db.names import name_error, normalize_name

API_PATH = "/api/v2/alerts"
# Alertmanager resolves an alert by itself if no further request arrives for this long.
ALERT_LIFETIME = timedelta(minutes=10)
# Label of our alerts. What has it came from here, and is not received again.
ID_LABEL = "urfmp_alert_id"
HEADERS = {"content-type": "application/json", "user-agent": "URFMP-Alertmanager/1"}
MAX_TITLE_LENGTH = 255
MAX_MESSAGE_LENGTH = 5_000
MAX_SECRET_LENGTH = 1_000

_TEST_LIFETIME = timedelta(minutes=1)
_SEVERITIES = {
    AlertSeverity.CRITICAL: ("critical", "page", "emergency", "fatal", "disaster"),
    AlertSeverity.ERROR: ("error", "major", "high", "severe"),
    AlertSeverity.WARNING: ("warning", "warn", "minor", "medium", "average"),
    AlertSeverity.INFO: ("info", "informational", "information", "notice", "low", "none", "debug"),
}
_SEVERITY_OF = {word: severity for severity, words in _SEVERITIES.items() for word in words}


def posted_alerts(
    alert: Alert, *, facility: str, url: str, earlier: Iterable[str], now: datetime
) -> list[dict[str, Any]]:
    """Return an alert, and the end of it with its earlier severities.

    Labels identify an alert in Alertmanager, so one that becomes more severe is another alert
    there.

    Args:
        alert: Alert with its robot and organization.
        facility: Facility of the robot, or an empty text.
        url: URL of the alert's page.
        earlier: Severities that the alert had.
        now: Time of the request.
    """
    labels = {
        "alertname": alert.title,
        "type": alert.type,
        "organization": alert.organization.name,
        "robot": str(alert.robot) if alert.robot is not None else "",
        "facility": facility,
        ID_LABEL: str(alert.pk),
    }
    labels = {name: value for name, value in labels.items() if value}
    annotations = {"summary": alert.title, "description": alert.message}
    ends = alert.resolved_at or now if alert.is_resolved else now + ALERT_LIFETIME
    ends_by_severity = dict.fromkeys(earlier, now) | {alert.severity: ends}
    return [
        {
            "labels": {**labels, "severity": severity},
            "annotations": annotations,
            "startsAt": min(alert.started_at, end).isoformat(),
            "endsAt": end.isoformat(),
            "generatorURL": url,
        }
        for severity, end in ends_by_severity.items()
    ]


def posted_test(channel: NotificationChannel, *, url: str, now: datetime) -> dict[str, Any]:
    """Return an alert that tests a channel and ends after a minute."""
    return {
        "labels": {
            "alertname": f"Test of the channel {channel}",
            "severity": AlertSeverity.INFO.value,
            "organization": channel.organization.name,
            ID_LABEL: "test",
        },
        "annotations": {"summary": "Alerts reach this Alertmanager."},
        "startsAt": now.isoformat(),
        "endsAt": (now + _TEST_LIFETIME).isoformat(),
        "generatorURL": url,
    }


def posted_body(alerts: list[dict[str, Any]]) -> bytes:
    """Return the body of a request."""
    return json.dumps(alerts, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


@dataclass(frozen=True)
class ReceivedAlert:
    """An alert of a webhook request.

    Attributes:
        fingerprint: Alertmanager's identity of the labels.
        labels: Labels.
        annotations: Texts for people.
        starts_at: When it began.
        ends_at: When it ended; None while it fires.
        generator_url: Page of the alert's origin, or an empty text.
    """

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    generator_url: str

    @property
    def key(self) -> str:
        """Key of the alert that it opens."""
        return f"{ALERTMANAGER_KEY_PREFIX}{self.fingerprint}"

    @property
    def is_own(self) -> bool:
        """Return whether the alert came from this platform."""
        return ID_LABEL in self.labels

    @property
    def severity(self) -> AlertSeverity:
        """Severity by its label; a warning if it is unknown or missing."""
        word = self.labels.get("severity", "").strip().lower()
        return _SEVERITY_OF.get(word, AlertSeverity.WARNING)

    @property
    def title(self) -> str:
        """Name of the alert, without characters that a title cannot have."""
        name = normalize_name(_printable(self.labels.get("alertname", "")))
        name = normalize_name(name[:MAX_TITLE_LENGTH])
        return "Alert of Alertmanager" if not name or name_error(name) else name

    @property
    def message(self) -> str:
        """Description or summary, else the labels."""
        for name in ("description", "message", "summary"):
            lines = [_printable(line) for line in self.annotations.get(name, "").splitlines()]
            text = "\n".join(lines).strip()
            if text and not name_error(normalize_name(text.replace("\n", " "))):
                return text[:MAX_MESSAGE_LENGTH]
        labels = ", ".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"Labels: {_printable(labels)}"[:MAX_MESSAGE_LENGTH]

    def metadata(self) -> dict[str, Any]:
        """Return the rest, for the alert's page and for the next request."""
        return {
            "fingerprint": self.fingerprint,
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "generator_url": self.generator_url,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": None if self.ends_at is None else self.ends_at.isoformat(),
        }


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def auth_errors(scheme: str, username: str, secret: str, *, is_stored: bool) -> dict[str, str]:
    """Return why credentials cannot be sent, by field.

    Args:
        scheme: One of `AuthScheme`, not empty.
        username: User name for basic authentication.
        secret: New password or token; empty to keep the stored one.
        is_stored: Whether one is stored.
    """
    errors = {}
    is_basic = scheme == AuthScheme.BASIC
    if is_basic and (not username or ":" in username or not username.isprintable()):
        errors["auth_username"] = "Enter the user name, without a colon."
    if not secret and not is_stored:
        errors["auth_secret"] = "Enter the password." if is_basic else "Enter the token."
    elif len(secret) > MAX_SECRET_LENGTH or not secret.isprintable():
        errors["auth_secret"] = f"Enter at most {MAX_SECRET_LENGTH} printable characters."
    elif not is_basic and not re.fullmatch(r"[A-Za-z0-9._~+/=-]*", secret):
        text = "A token consists of letters, digits and the characters ._~+/=-"
        errors["auth_secret"] = text
    return errors


def authorization_header(scheme: str, username: str, secret: str) -> str:
    """Return the value of the Authorization header."""
    if scheme == AuthScheme.BEARER:
        return f"Bearer {secret}"
    return f"Basic {base64.b64encode(f'{username}:{secret}'.encode()).decode()}"
