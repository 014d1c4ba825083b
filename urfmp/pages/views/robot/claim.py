"""Connect a robot: create its claim code, and follow its exchange.

The QR code contains the address of this page, with the claim code after the `#`: browsers do not
send that part to servers. A script shows it on the phone that scanned it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import segno
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.cache import never_cache

from apps.robots.models import Robot
from apps.robots.selectors.claim_codes import robot_claim_code, robot_valid_key
from apps.robots.services.claim_codes import (
    CLAIM_CODE_LIFETIME,
    claim_code_create,
    claim_code_revoke,
)
from urfmp.common.admin import error_messages
from urfmp.common.exceptions import ApplicationError
from urfmp.common.security.recent_auth import require_recent_auth
from urfmp.pages.robot_tabs import RobotTab, tab_address
from urfmp.pages.views.rendering import render_page, require_permission

_CLIENT_FILE = Path(settings.BASE_DIR) / "examples" / "robotclient" / "client.py"


@never_cache
def robot_claim_page(request: HttpRequest, robot_id: UUID) -> HttpResponse:
    """Show how to connect a robot; create or revoke its code.

    The POST field `do` names the action.
    """
    require_permission(request, "robots.view_robot")
    robot: Robot = get_object_or_404(Robot.objects.restrict(request.user), pk=robot_id)
    if request.method != "POST":
        return _render(request, robot)
    if not request.user.has_perm("robots.claim_robot"):
        raise PermissionDenied
    require_recent_auth(request)
    if request.POST.get("do") == "revoke":
        if claim_code_revoke(robot):
            messages.success(request, "The claim code was revoked.")
        return HttpResponseRedirect(request.path)
    user: Any = request.user
    try:
        _, code = claim_code_create(robot=robot, created_by=user)
    except ApplicationError as error:
        for message in error_messages(error):
            messages.error(request, message)
        return HttpResponseRedirect(request.path)
    return _render(request, robot, code)


def _render(request: HttpRequest, robot: Robot, code: str = "") -> HttpResponse:
    """Render the page; only the response that creates a code contains it."""
    server = request.build_absolute_uri("/").rstrip("/")
    address = request.build_absolute_uri(request.path)
    qr_code = ""
    if code:
        qr = segno.make_qr(f"{address}#{code}", error="m")
        qr_code = qr.svg_data_uri(scale=5, light="#fff")
    return render_page(
        request,
        "pages/robot/claim.html",
        "Connect",
        trail=[
            ("Robots", reverse("admin:robots_robot_changelist")),
            (robot.name, tab_address(robot, RobotTab.OVERVIEW)),
        ],
        robot=robot,
        key=robot_valid_key(robot),
        claim_code=robot_claim_code(robot),
        code=code,
        qr_code=qr_code,
        command=_command(server),
        hours=int(CLAIM_CODE_LIFETIME.total_seconds() // 3600),
    )


def _command(server: str) -> str:
    """Return the command line up to the claim code."""
    client = f"{server}{reverse('admin:robot_client_file')}"
    return (
        f"curl -fsSo urfmp_client.py {client} && python3 urfmp_client.py --server {server} --claim"
    )


def robot_client_file(request: HttpRequest) -> HttpResponse:
    """Send the reference client, one file that robots run."""
    response = HttpResponse(_CLIENT_FILE.read_bytes(), content_type="text/x-python; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="urfmp_client.py"'
    return response
