"""Floor plans: services, API and pictures."""

from __future__ import annotations

import base64

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from apps.audit.models import AuditLog
from apps.organizations.models import FloorPlan
from apps.organizations.protocols.plan_pictures.formats import PlanPicture
from apps.organizations.services.facilities import facility_delete
from apps.organizations.services.floor_plans import (
    floor_plan_calibrate,
    floor_plan_remove,
    floor_plan_store,
)
from tests.organizations.test_plan_pictures import SVG, image_file

pytestmark = pytest.mark.django_db

POINTS = [
    {"x_px": 0, "y_px": 100, "x_m": 0, "y_m": 0},
    {"x_px": 200, "y_px": 100, "x_m": 40, "y_m": 0},
]


@pytest.fixture
def facility(organization_a, make_facility):
    return make_facility(organization_a, "Hall 1")


@pytest.fixture
def store(organization_a, facility, tenant):
    def make(content=b"picture", media_type="image/png"):
        with tenant(organization_a):
            picture = PlanPicture(media_type, 200, 100, content)
            return floor_plan_store(facility, file_name="C:\\plans\\hall.png", picture=picture)

    return make


def api(facility, suffix=""):
    return reverse(f"api:facility-floor-plan{suffix}", args=[facility.pk])


def test_plan_is_stored_replaced_and_removed(store, facility, organization_a, tenant):
    first = store()
    with tenant(organization_a):
        floor_plan_calibrate(first, points=POINTS, digest=first.digest)
    second = store(b"another")
    assert (second.pk, second.file_name, second.calibration) == (first.pk, "hall.png", None)
    assert second.digest != first.digest
    assert second.version == 3
    with tenant(organization_a):
        floor_plan_remove(second)
        assert not FloorPlan.objects.exists()


def test_every_change_is_audited_without_the_picture(store, organization_a, tenant):
    plan = store(b"\x01\x02picture")
    with tenant(organization_a):
        floor_plan_calibrate(plan, points=POINTS, digest=plan.digest)
        floor_plan_remove(plan)
        rows = list(AuditLog.objects.filter(resource_type="floor_plan").order_by("seq"))
    assert [row.action for row in rows] == [
        f"organizations.floor_plan.{verb}" for verb in ("upload", "calibrate", "remove")
    ]
    for row in rows:
        assert "picture" not in (row.before or {})
        assert "picture" not in (row.after or {})
    assert rows[1].after["calibration"]["points"][1]["x_m"] == 40


def test_points_of_a_replaced_picture_are_rejected(store, organization_a, tenant):
    old = store()
    store(b"another")
    with tenant(organization_a), pytest.raises(ValidationError, match="picture was replaced"):
        floor_plan_calibrate(old, points=POINTS, digest=old.digest)


def test_plan_goes_with_its_facility(store, facility, organization_a, tenant):
    store()
    with tenant(organization_a):
        facility_delete(facility)
        assert not FloorPlan.objects.exists()


def test_api_uploads_calibrates_and_deletes(facility, alice, client_for):
    client = client_for(alice)
    assert client.get(api(facility)).status_code == 404

    body = {"file_name": "hall.svg", "points": [dict(p) for p in POINTS]}
    body["content"] = base64.b64encode(SVG.format("<script/><path d='M0 0h9'/>").encode()).decode()
    answer = client.patch(api(facility), body, "application/json")

    assert answer.status_code == 200, answer.json()
    plan = answer.json()
    assert (plan["media_type"], plan["width_px"], plan["height_px"]) == (
        "image/svg+xml",
        2048,
        1024,
    )
    assert plan["calibration"]["metres_per_pixel"] == pytest.approx(0.2)
    assert client.get(api(facility)).json() == plan
    picture = client.get(api(facility, "-picture"))
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert b"script" not in picture.content
    assert client.delete(api(facility)).status_code == 204
    assert client.get(api(facility, "-picture")).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": "###"}, "content"),
        ({"content": base64.b64encode(b"GIF89a").decode()}, "content"),
        ({"points": POINTS[:1]}, "points"),
        ({"points": [POINTS[0], POINTS[0]]}, "points"),
        ({"points": [POINTS[0], {**POINTS[1], "x_px": 201}]}, "points"),
        ({"points": POINTS, "scale": 2}, "scale"),
    ],
)
def test_api_rejects_unusable_plans(body, field, store, facility, alice, client_for):
    store()
    answer = client_for(alice).patch(api(facility), body, "application/json")
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_picture_is_served_safely_to_those_who_may(
    store, facility, alice, charlie, make_user, organization_a, client_for
):
    plan = store(b"<svg/>", "image/svg+xml")
    address = reverse("admin:floor_plan_picture", args=[facility.pk])
    client = client_for(alice)

    picture = client.get(address)

    assert picture.content == b"<svg/>"
    assert picture.headers["ETag"] == f'"{plan.digest}"'
    assert picture.headers["Cache-Control"] == "private, no-cache"
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert picture.headers["Content-Security-Policy"].endswith("; sandbox")
    assert "default-src 'none'" in picture.headers["Content-Security-Policy"]
    for tag in (
        f'"{plan.digest}"',
        f'W/"{plan.digest}"',
        f'"{plan.digest}-gzip"',
        f'"x", "{plan.digest}"',
    ):
        assert client.get(address, headers={"if-none-match": tag}).status_code == 304
    assert client.get(address, headers={"if-none-match": '"other"'}).status_code == 200
    assert client_for(charlie).get(address).status_code == 404
    blind = client_for(make_user(organization_a, "custom", permissions=["alert.view"]))
    assert blind.get(address).status_code == 403


def test_page_uploads_and_calibrates(facility, alice, client_for, organization_a, tenant):
    from django.core.files.uploadedfile import SimpleUploadedFile

    client = client_for(alice)
    address = reverse("admin:floor_plan_page", args=[facility.pk])
    wrong = client.post(
        address, {"action": "upload", "file": SimpleUploadedFile("a.png", b"GIF89a")}
    )
    assert wrong.status_code == 400
    assert "Upload a PNG, JPEG, SVG or PDF file." in wrong.content.decode()

    file = SimpleUploadedFile("hall.png", image_file("PNG"))
    page = client.post(address, {"action": "upload", "file": file}, follow=True)
    assert "Now set its scale and origin." in page.content.decode()

    with tenant(organization_a):
        digest = FloorPlan.objects.get().digest
    form = {"action": "calibrate", "digest": digest}
    for number, point in enumerate(POINTS, start=1):
        form |= {f"{name}_{number}": value for name, value in point.items()}
    same = client.post(address, {**form, "x_px_2": 0})
    assert same.status_code == 400
    assert "same place in the picture" in same.content.decode()
    done = client.post(address, form, follow=True)
    assert 'id="floor-map"' in done.content.decode()
    with tenant(organization_a):
        assert FloorPlan.objects.get().solved_calibration.metres_per_pixel == pytest.approx(0.2)

    client.post(address, {"action": "remove"})
    with tenant(organization_a):
        assert not FloorPlan.objects.exists()
