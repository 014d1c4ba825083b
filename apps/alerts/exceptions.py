from __future__ import annotations

from apps.accounts.exceptions import InvalidLinkError
from urfmp.common.exceptions import ApplicationError


class AlertResolvedError(ApplicationError):
    """The alert is already resolved."""

    code = "alert_resolved"


class ChannelInUseError(ApplicationError):
    """Routes use this channel. Remove it from them first."""

    code = "channel_in_use"


class DeliveryStateError(ApplicationError):
    """Only dead letters and cancelled deliveries can be sent again."""

    code = "delivery_state"


class TooManyRowsError(ApplicationError):
    """The maximum number is reached. Delete another one first."""

    code = "too_many"


class SilenceOverError(ApplicationError):
    """The silence is over. Create a new one."""

    code = "silence_over"


class InvalidAcknowledgeLinkError(InvalidLinkError):
    """The link is invalid or has expired. Sign in to acknowledge."""


class SigningSecretUnreadableError(ApplicationError):
    """The signing secret cannot be decrypted. Rotate it."""

    code = "secret_unreadable"
