"""Outgoing e-mail: plain text, from one template for each occasion.

Send from a job, never from a request: a mail server may be slow or away, and a job is tried again.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from urfmp.common.db.fields import is_one_line
from urfmp.common.exceptions import ApplicationError


class MailNotConfiguredError(ApplicationError):
    """This installation sends no e-mail; its operator sets EMAIL_HOST."""

    code = "mail_not_configured"


def require_mail_configured() -> None:
    """Check that e-mail has a way out, before somebody is told to wait for one.

    Raises:
        MailNotConfiguredError: Neither a mail server nor a folder is set.
    """
    if not settings.MAIL_IS_CONFIGURED:
        raise MailNotConfiguredError


def mail_send(*, to: str, subject: str, template: str, context: dict[str, Any]) -> None:
    """Send one e-mail to one person.

    Args:
        to: The address.
        subject: A name in it may be of any kind: it is brought into one line.
        template: A text template, as in `mail/reset.txt`; it may use `product` and `origin`.
        context: What the template is filled with.

    Raises:
        MailNotConfiguredError: E-mail has no way out.
        OSError: The mail server is away or refuses; try again later.
    """
    require_mail_configured()
    text = render_to_string(
        template, {"product": "URFMP", "origin": settings.WEB_ORIGIN, **context}
    )
    EmailMessage(
        subject=f"[URFMP] {_one_line(subject)}",
        body=text,
        to=[to],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834: no answers from robots
    ).send()


def _one_line(text: str) -> str:
    """Return a text without line breaks and control characters: rows may come from anywhere."""
    plain = (character if is_one_line(character) else " " for character in text)
    return " ".join("".join(plain).split())
