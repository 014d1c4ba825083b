"""Acknowledge alerts by the link in an e-mail.

The link is signed and expires. Opening it changes nothing, since mail scanners do that as well: the
page that it opens asks for one confirmation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.urls import reverse

from apps.accounts.models import User
from apps.alerts.choices.alerts import AlertAction, allows
from apps.alerts.choices.notifications import ACKNOWLEDGE_LINK_LIFETIME
from apps.alerts.exceptions import AlertResolvedError, InvalidAcknowledgeLinkError
from apps.alerts.models import Alert, Delivery
from apps.alerts.services.alerts import alert_acknowledge
from urfmp.common.tenancy.context import Actor, tenant_transaction

_SALT = "alerts.acknowledge"
MAX_TOKEN_LENGTH = 300


def acknowledge_url(delivery: Delivery) -> str:
    """Return the link of an e-mail's recipient.

    Browsers do not send the part after `#`.

    Args:
        delivery: A delivery of the e-mail's batch, to a user.
    """
    ids = [str(delivery.organization_id), str(delivery.batch_id), str(delivery.user_id)]
    token = signing.dumps(ids, salt=_SALT)
    return f"{settings.WEB_ORIGIN}{reverse('admin:acknowledge_alerts')}#{token}"


@dataclass(frozen=True)
class Acknowledgement:
    """Result of a link.

    Attributes:
        acknowledged: Alerts that the link acknowledged.
        settled: Alerts that were acknowledged or resolved before.
    """

    acknowledged: list[Alert]
    settled: list[Alert]


def alerts_acknowledge_by_link(actor: Actor, *, token: str) -> Acknowledgement:
    """Acknowledge the alerts of an e-mail as its recipient.

    Args:
        actor: Client of the request.
        token: Token from the link.

    Raises:
        InvalidAcknowledgeLinkError: The link is invalid or expired, or its user is not active or
            may not acknowledge alerts any more.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidAcknowledgeLinkError
    try:
        ids = signing.loads(token, salt=_SALT, max_age=ACKNOWLEDGE_LINK_LIFETIME)
        organization_id, batch_id, user_id = map(UUID, ids)
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidAcknowledgeLinkError from error
    with tenant_transaction(organization_id, actor):
        user: User | None = User.objects.filter(pk=user_id).first()
        if user is None or not user.has_perm("alerts.acknowledge_alert"):
            raise InvalidAcknowledgeLinkError
        # Ordered by id, as wherever several alerts are locked.
        ids_of_batch = Delivery.objects.filter(batch_id=batch_id, user=user).values("alert_id")
        alerts = list(Alert.objects.filter(pk__in=ids_of_batch).order_by("pk"))
    result = Acknowledgement([], [])
    with tenant_transaction(organization_id, replace(actor, user_id=user.pk)):
        for alert in alerts:
            is_open = allows(AlertAction.ACKNOWLEDGE, alert.state)
            if is_open and (changed := _acknowledge(alert, user)) is not None:
                result.acknowledged.append(changed)
            else:
                result.settled.append(alert)
    return result


def _acknowledge(alert: Alert, user: User) -> Alert | None:
    try:
        return alert_acknowledge(alert, user)
    except AlertResolvedError:  # at the same time
        return None
