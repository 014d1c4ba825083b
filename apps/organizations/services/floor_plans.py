"""Upload, calibrate and remove floor plans."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F

from apps.organizations.exceptions import PlanConversionBusyError
from apps.organizations.models import Facility, FloorPlan
from apps.organizations.models.calibration import validated_calibration
from apps.organizations.protocols.plan_pictures.formats import (
    MAX_SIDE_PIXELS,
    MAX_UPLOAD_BYTES,
    PlanPicture,
)
from urfmp.common.security.isolated_process import (
    IsolatedProgram,
    ProcessBusyError,
    ProcessFailedError,
)
from urfmp.common.tenancy.context import audit_action

_MAX_FILE_NAME_CHARS = 255
_converter = IsolatedProgram(
    "apps.organizations.protocols.plan_pictures.program", timeout_seconds=30, max_wait_seconds=10
)


def floor_plan_upload(facility: Facility, *, file_name: str, content: bytes) -> FloorPlan:
    """Store the plan of a facility, or replace it.

    A new picture has no calibration: the points of the old one may be elsewhere in it.

    Raises:
        ValidationError: The file is too large, damaged, or not PNG, JPEG, SVG or PDF.
        PlanConversionBusyError: Other uploads are being converted.
    """
    return floor_plan_store(facility, file_name=file_name, picture=plan_picture(content))


def plan_picture(content: bytes, *, max_side_px: int = MAX_SIDE_PIXELS) -> PlanPicture:
    """Return an upload as a picture that is safe to serve.

    A process of its own parses the file. Call it outside of a transaction that holds locks.

    Args:
        content: Bytes of the upload.
        max_side_px: Longest side of the result; larger PNG, JPEG and PDF files are made smaller.

    Raises:
        ValidationError: The file is too large, damaged, or not PNG, JPEG, SVG or PDF.
        PlanConversionBusyError: Other uploads are being converted.
    """
    if len(content) > MAX_UPLOAD_BYTES:
        raise ValidationError({"content": too_large_message()})
    try:
        answer = _converter.run(content, str(max_side_px))
    except ProcessBusyError as error:
        raise PlanConversionBusyError from error
    except ProcessFailedError as error:
        msg = "The file is too complex or damaged. Simplify it, or export it as PNG."
        raise ValidationError({"content": msg}) from error
    head, _, picture = answer.partition(b"\n")
    properties = json.loads(head)
    if "error" in properties:
        raise ValidationError({"content": properties["error"]})
    return PlanPicture(content=picture, **{**properties, "omitted": tuple(properties["omitted"])})


def too_large_message() -> str:
    """Return what users read about a file that is too large."""
    return f"The file is larger than {MAX_UPLOAD_BYTES // 1024**2} MB. Export it in a smaller size."


def floor_plan_store(facility: Facility, *, file_name: str, picture: PlanPicture) -> FloorPlan:
    """Store a converted picture as the plan of a facility."""
    plain = "".join(c if c.isprintable() else " " for c in file_name.replace("\\", "/"))
    name = " ".join(PurePath(plain).name.split())[-_MAX_FILE_NAME_CHARS:] or "plan"
    with audit_action("organizations.floor_plan.upload"):
        # Of two concurrent uploads the second waits here, and replaces the plan of the first.
        Facility.objects.select_for_update(no_key=True).get(pk=facility.pk)
        plan, _ = FloorPlan.objects.update_or_create(
            organization_id=facility.organization_id,
            facility_id=facility.pk,
            defaults={
                "file_name": name,
                "media_type": picture.media_type,
                "width_px": picture.width_px,
                "height_px": picture.height_px,
                "digest": hashlib.sha256(picture.content).hexdigest(),
                "picture": picture.content,
                "calibration": None,
                "version": F("version") + 1,
            },
            create_defaults={
                "file_name": name,
                "media_type": picture.media_type,
                "width_px": picture.width_px,
                "height_px": picture.height_px,
                "digest": hashlib.sha256(picture.content).hexdigest(),
                "picture": picture.content,
            },
        )
        plan.refresh_from_db(fields=["version", "updated_at"])
    return plan


def floor_plan_calibrate(plan: FloorPlan, *, points: Any, digest: str) -> FloorPlan:
    """Set scale, rotation and origin of a plan by two points.

    Args:
        plan: Plan of a facility.
        points: Two mappings of `x_px`, `y_px`, `x_m` and `y_m`.
        digest: Digest of the picture in which the points were chosen.

    Raises:
        ValidationError: A point is invalid, the points are too close, or the picture was replaced.
    """
    with audit_action("organizations.floor_plan.calibrate"):
        # The picture must not be replaced between the check of the points and the change.
        locked: FloorPlan = FloorPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        if locked.digest != digest:
            msg = "The picture was replaced. Choose the points in the new one."
            raise ValidationError({"points": msg})
        found = validated_calibration(points, locked.width_px, locked.height_px)
        locked.calibration = found.document()
        locked.version = F("version") + 1
        locked.save(update_fields=["calibration", "version"])
        locked.refresh_from_db(fields=["version", "updated_at"])
    return locked


def floor_plan_remove(plan: FloorPlan) -> None:
    """Delete the plan of a facility."""
    with audit_action("organizations.floor_plan.remove"):
        plan.delete()
