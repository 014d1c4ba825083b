"""A robot is connected by its QR code: from a new code to online, in a real browser."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import segno

from tests.browser.conftest import opened

CREATE = """
from apps.robots.services.robots import robot_register
from django.db import connection
from urfmp.common.tenancy.context import tenant_transaction
with connection.cursor() as cursor:
    cursor.execute("SELECT organization_ids()")
    (o,) = cursor.fetchone()
with tenant_transaction(o):
    robot = robot_register(organization_id=o, name="New robot", vendor="kuka", lifecycle="planned")
print("ROBOT=" + str(robot.pk))
"""


def scanned_address(page):
    """Return the address in the QR code of the page.

    The picture equals the one of this address, so a phone reads the same.
    """
    code = page.locator("#claim-code").inner_text()
    address = f"{page.url}#{code}"
    picture = segno.make_qr(address, error="m").svg_data_uri(scale=5, light="#fff")
    assert page.locator("img.u-qr").get_attribute("src") == picture
    return address


@pytest.mark.parametrize("width", [1440, 390])
def test_robot_is_connected_by_qr_code(width, chromium, served, page, session, tmp_path):
    page.set_viewport_size({"width": width, "height": 844})
    robot = served.manage("shell", "-v0", "-c", CREATE).strip().split("ROBOT=")[1]
    page.goto(f"/admin/robots/robot/{robot}/connect/")
    page.get_by_role("button", name="Create a claim code").click()
    address = scanned_address(page)

    # The phone of a technician, who reads the command from the scanned page.
    phone_screen = {"width": 390, "height": 844}
    with opened(chromium, served, storage_state=session) as phone:
        phone.set_viewport_size(phone_screen)
        phone.goto(address)
        command = phone.locator("#claim-command").inner_text()
        assert urlsplit(phone.url).fragment == ""
        download, _, run = command.partition(" && ")
        client = download.split()[-1]
        (tmp_path / "urfmp_client.py").write_bytes(served.call(urlsplit(client).path)[2])
        done = subprocess.run(
            [sys.executable, *run.split()[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "This is New robot." in done.stdout
        assert (tmp_path / "robot.key").stat().st_mode & 0o777 == 0o600
        phone.get_by_text("has its API key").wait_for()

    page.get_by_text("has its API key").wait_for()
    page.locator('#robot [data-status] .u-badge[data-value="online"]').wait_for()
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
