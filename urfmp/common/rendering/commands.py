"""Commands as HTML, for admin and pages."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from urfmp.common.rendering.html import badge


def command_state_html(command: Any) -> SafeString:
    """Return a command's status and progress; the page's script updates them.

    Args:
        command: Row of `robot_commands`.
    """
    is_shown = command.status == "executing" and command.progress is not None
    return format_html(
        '<span class="u-command" data-command-id="{}" data-version="{}" data-status="{}">{}'
        '<progress class="u-command__progress" max="100" value="{}" aria-label="Progress"{}>'
        "</progress></span>",
        command.pk,
        command.version,
        command.status or "",
        badge("command", command.status, command.get_status_display()),
        command.progress or 0,
        "" if is_shown else SafeString(" hidden"),
    )
