"""The webhook that Alertmanager calls."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.alerts.models import Alert
from apps.alerts.protocols.alertmanager import ReceivedAlert
from apps.alerts.services.alertmanager import Effect, alertmanager_receive
from urfmp.common.api.datetimes import AwareDateTimeField
from urfmp.common.api.examples import body_example
from urfmp.common.api.viewsets import PrincipalView
from urfmp.common.db.fields import validate_datetime_range

MAX_RECEIVED_ALERTS = 1_000
MAX_LABELS = 100
NEEDS_END = "Enter when the resolved alert ended, such as 2026-01-31T14:30:00Z."
_TEXT: dict[str, Any] = {"allow_blank": True, "trim_whitespace": False, "max_length": 10_000}


class LabelsField(serializers.DictField):
    """Labels or annotations: texts by name."""

    child = serializers.CharField(**_TEXT)

    def to_internal_value(self, data: Any) -> Any:
        """Return the texts.

        Raises:
            ValidationError: A value is not a text, or there are too many.
        """
        if isinstance(data, dict) and len(data) > MAX_LABELS:
            msg = f"Send at most {MAX_LABELS} entries."
            raise serializers.ValidationError(msg)
        return super().to_internal_value(data)


class ReceivedAlertSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["firing", "resolved"])
    labels = LabelsField()
    annotations = LabelsField(required=False)
    startsAt = AwareDateTimeField(validators=[validate_datetime_range])  # noqa: N815 - theirs
    endsAt = serializers.CharField(  # noqa: N815 - theirs
        required=False, allow_blank=True, allow_null=True, max_length=64,
        help_text="Required if `status` is `resolved`, ignored otherwise.",
    )  # fmt: skip
    generatorURL = serializers.CharField(required=False, **_TEXT)  # noqa: N815 - theirs
    fingerprint = serializers.RegexField(r"^[0-9A-Za-z]{1,64}$")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        ends_at = None
        if attrs["status"] == "resolved":
            field = AwareDateTimeField(validators=[validate_datetime_range])
            try:
                ends_at = field.run_validation(attrs.get("endsAt"))
            except serializers.ValidationError as error:
                raise serializers.ValidationError({"endsAt": NEEDS_END}) from error
        return {**attrs, "endsAt": ends_at}


@body_example(
    "A disk that fills up",
    {
        "version": "4",
        "status": "firing",
        "receiver": "urfmp",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "severity": "critical", "instance": "plc-7"},
                "annotations": {"description": "The disk of plc-7 is 97 % full."},
                "startsAt": "2026-01-31T14:30:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://prometheus.example.com/graph",
                "fingerprint": "c1f3b1b2a3d4e5f6",
            }
        ],
    },
)
class AlertmanagerWebhookSerializer(serializers.Serializer[Any]):
    version = serializers.ChoiceField(["4"], help_text="Version of the form.")
    alerts = serializers.ListField(child=ReceivedAlertSerializer(), max_length=MAX_RECEIVED_ALERTS)


class AlertmanagerAnswerSerializer(serializers.Serializer[Any]):
    opened = serializers.IntegerField(help_text="Alerts that were opened.")
    repeated = serializers.IntegerField(help_text="Open alerts that began again.")
    updated = serializers.IntegerField(help_text="Open alerts with another text.")
    resolved = serializers.IntegerField(help_text="Alerts that were resolved.")
    unchanged = serializers.IntegerField(
        help_text="Alerts that were received before, are unknown and resolved, or came from here."
    )


class AlertmanagerView(PrincipalView):
    """Alerts of Prometheus Alertmanager."""

    model: ClassVar[type[Alert]] = Alert

    @extend_schema(
        operation_id="alertmanager_receive",
        summary="Report alerts of Alertmanager",
        request=AlertmanagerWebhookSerializer,
        responses=AlertmanagerAnswerSerializer,
        description="The URL of a `webhook_config` in Alertmanager; the API key is the credentials"
        " of its `authorization`. Alerts are opened, updated and resolved by their fingerprint."
        " Repeated requests change nothing. The label `severity` gives the severity; `robot_id` or"
        " `serial_number` name a robot, if the key may read robots. Further fields are ignored.",
    )
    def post(self, request: Request) -> Response:
        """Receive alerts."""
        serializer = AlertmanagerWebhookSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        counts = alertmanager_receive(
            organization_id=self.principal.organization_id,
            principal=self.principal,
            alerts=[_received(values) for values in serializer.validated_data["alerts"]],
        )
        return Response({effect.value: counts[effect] for effect in Effect})


def _received(values: dict[str, Any]) -> ReceivedAlert:
    return ReceivedAlert(
        fingerprint=values["fingerprint"],
        labels=values["labels"],
        annotations=values.get("annotations", {}),
        starts_at=values["startsAt"],
        ends_at=values["endsAt"],
        generator_url=values.get("generatorURL", ""),
    )
