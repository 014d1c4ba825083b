from __future__ import annotations

from apps.alerts.models import Alert
from urfmp.common.api.examples import body_example
from urfmp.common.api.serializers import ScopedModelSerializer


@body_example(
    "A hot controller",
    {
        "type": "system",
        "severity": "warning",
        "title": "Controller is hot",
        "message": "71 Cel, 60 is usual.",
        "source": "integration",
        "metadata": {"value": 71},
    },
)
class AlertSerializer(ScopedModelSerializer):
    class Meta:
        model = Alert
        fields = (
            "id",
            "robot",
            "type",
            "severity",
            "title",
            "message",
            "source",
            "metadata",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "created_at",
        )
        read_only_fields = (
            "id",
            "is_acknowledged",
            "acknowledged_by",
            "acknowledged_at",
            "is_resolved",
            "resolved_at",
            "created_at",
        )
        extra_kwargs = {"source": {"allow_blank": False}}
