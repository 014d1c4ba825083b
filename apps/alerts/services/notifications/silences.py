"""Create, change and end silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone

from apps.accounts.models import User
from apps.alerts.choices.notifications import MAX_SILENCE, DeliveryState
from apps.alerts.exceptions import SilenceOverError
from apps.alerts.models import Delivery, Silence
from apps.alerts.services.notifications.routes import check_matchers
from apps.alerts.services.notifications.wakeup import wake_sender
from urfmp.common.tenancy.context import audit_action


def silence_create(
    *, organization_id: UUID, created_by: User | None = None, **fields: Any
) -> Silence:
    """Create a silence.

    Args:
        organization_id: Organization of the silence.
        created_by: User who creates it; None for an API key, which the audit log names.
        fields: Further columns; the start is now by default.

    Raises:
        ValidationError: A field is invalid, or the silence would already be over.
    """
    if fields.get("starts_at") is None:
        fields["starts_at"] = timezone.now()
    silence = Silence(organization_id=organization_id, created_by=created_by, **fields)
    with audit_action("alerts.silence.create"):
        _clean(silence)
        silence.save(force_insert=True)
        silence.refresh_from_db(fields=["created_at"])
    return silence


def silence_update(silence: Silence, **changes: Any) -> Silence:
    """Change a silence that is not over.

    Raises:
        SilenceOverError: The silence is over.
        ValidationError: A field is invalid.
    """
    with audit_action("alerts.silence.update"):
        silence = _lock(silence)
        for name, value in changes.items():
            setattr(silence, name, value)
        _clean(silence)
        silence.save(update_fields=list(changes))
        _release_held()
    return silence


def silence_end(silence: Silence) -> Silence:
    """End a silence now; what it held back is sent.

    Raises:
        SilenceOverError: The silence is already over.
    """
    with audit_action("alerts.silence.end"):
        silence = _lock(silence)
        now = timezone.now()
        if silence.starts_at >= now:
            silence.delete()
        else:
            silence.ends_at = now
            silence.save(update_fields=["ends_at"])
        _release_held()
    return silence


def _lock(silence: Silence) -> Silence:
    # Of an end and a change at once, the second finds the silence over.
    locked: Silence = Silence.objects.select_for_update(no_key=True).get(pk=silence.pk)
    if locked.is_over:
        raise SilenceOverError
    return locked


def _release_held() -> None:
    """Let the sender decide anew about the deliveries that wait."""
    held = Delivery.objects.filter(state__in=(DeliveryState.QUEUED, DeliveryState.FAILED))
    held.exclude(held_reason="").update(due_at=timezone.now())
    wake_sender()


def _clean(silence: Silence) -> None:
    check_matchers(silence)
    errors = {}
    ends_at: datetime | None = silence.ends_at
    for name in ("facility", "robot"):
        related = getattr(silence, name)
        if related is not None and related.organization_id != silence.organization_id:
            errors[name] = f"{name.capitalize()} not found."
    if ends_at is None:
        errors["ends_at"] = "Enter the end of the silence."
    elif ends_at <= timezone.now():
        errors["ends_at"] = "The end must be in the future."
    elif ends_at - silence.starts_at > MAX_SILENCE:
        errors["ends_at"] = f"A silence lasts at most {MAX_SILENCE.days} days."
    if errors:
        raise ValidationError(errors)
    silence.full_clean()
