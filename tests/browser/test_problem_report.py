"""A problem is reported with a robot's label, without a login, and becomes a task."""

from __future__ import annotations

from urllib.parse import urlsplit

import segno

from tests.browser.conftest import opened

PHONE = {"width": 390, "height": 844}
TOKEN = """
from apps.accounts.selectors.credentials import user_organization_id
from apps.maintenance.selectors.work_requests import label_tokens
from apps.robots.models import Robot
from urfmp.common.tenancy.context import tenant_transaction
o = user_organization_id("a@acme.example")
with tenant_transaction(o):
    robot = Robot.objects.get(name="R")
    print("ROBOT=" + str(robot.pk), "TOKEN=" + label_tokens([robot.pk]).get(robot.pk, ""))
"""


def scanned_address(served, page):
    """Return the address in the QR code of the sheet's only label.

    The picture equals the one of this address, so a phone reads the same.
    """
    robot, token = served.manage("shell", "-v0", "-c", TOKEN).strip().split("ROBOT=")[1].split(" ")
    token = token.removeprefix("TOKEN=")
    origin = f"{urlsplit(page.url).scheme}://{urlsplit(page.url).netloc}"
    address = f"{origin}/admin/label/{robot}/?token={token}"
    picture = segno.make_qr(address, error="q").svg_data_uri(scale=3, light="#fff")
    assert page.locator("img.u-label__qr").get_attribute("src") == picture
    return address


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_problem_is_reported_with_the_label_and_becomes_a_task(chromium, served, page):
    page.goto("/admin/robots/robot/")
    page.get_by_role("link", name="R", exact=True).click()
    robot = page.url.rstrip("/").split("/")[-1].split("?")[0]
    page.goto(f"/admin/robots/labels/?robot={robot}")
    page.get_by_role("button", name="Accept reports without a login").click()
    page.get_by_text("1 label accepts reports without a login now").wait_for()
    address = scanned_address(served, page)

    # A visitor scans the label with a phone.
    with opened(chromium, served) as phone:
        phone.set_viewport_size(PHONE)
        phone.goto(address)
        assert overflow(phone) <= 0
        phone.get_by_label("What is wrong?").fill("Oil below joint 3")
        phone.get_by_role("button", name="Send the report").click()
        phone.get_by_text("Thank you").wait_for()
        assert overflow(phone) <= 0

    page.goto("/admin/maintenance/workrequest/")
    page.get_by_role("button", name="Accept: Oil below joint 3").click()
    page.get_by_role("button", name="Accept", exact=True).click()
    page.wait_for_url("**/maintenancetask/*/change/")
    assert page.get_by_label("Title").input_value() == "Oil below joint 3"

    # The same label leads the signed-in user to the robot: three taps to a report.
    page.set_viewport_size(PHONE)
    page.goto(address)
    page.get_by_role("link", name="Report a problem").click()
    page.get_by_label("Problem").fill("Noise")
    page.get_by_label("Description").fill("In the gearbox")
    page.get_by_role("button", name="Open the alert").click()
    page.get_by_text("The alert was opened.").wait_for()
