"""Metrics of OpenTelemetry over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.api.receivers.base import (
    MAX_VALUES,
    Media,
    Receiver,
    Reply,
    rejected_count,
    rejection_text,
)
from apps.telemetry.exceptions import UnsupportedMediaTypeError
from apps.telemetry.protocols.otlp.messages import Status
from apps.telemetry.protocols.otlp.metrics import decode_otlp, parse_request
from apps.telemetry.protocols.received_batch import ReceivedBatch
from apps.telemetry.services.telemetry import IngestResult

_JSON, _PROTOBUF = "application/json", "application/x-protobuf"
# Codes of gRPC by HTTP status; others are UNKNOWN.
_CODES = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14}
_UNKNOWN = 2


class OtlpReceiver(Receiver):
    """OTLP/HTTP with metrics, as protobuf or JSON; 200 means committed.

    Data points that stay invalid are counted in the response as a partial success, after which
    exporters do not send them again. 429 and 503 are sent again.
    """

    def check(self, media: Media) -> None:
        """Check the media type."""
        if media.type not in {_JSON, _PROTOBUF}:
            msg = f"Send metrics as {_PROTOBUF} or {_JSON}."
            raise UnsupportedMediaTypeError(msg)

    def decode(self, body: bytes, media: Media, mapping: LineProtocolMapping) -> ReceivedBatch:
        """Decode data points."""
        request = parse_request(body, is_json=media.type == _JSON)
        return decode_otlp(request, max_points=MAX_VALUES, mapping=mapping)

    def reply(self, media: Media, batch: ReceivedBatch, result: IngestResult) -> Reply:
        """Return the response, a partial success if data points were rejected."""
        response = ExportMetricsServiceResponse()
        if rejected := rejected_count(batch, result):
            response.partial_success.rejected_data_points = rejected
            response.partial_success.error_message = rejection_text(batch, result)
        return _encoded(media, HTTPStatus.OK, response)

    def error(self, media: Media, status: int, message: str) -> Reply:
        """Return a status message, in the format of the request."""
        return _encoded(media, status, Status(code=_CODES.get(status, _UNKNOWN), message=message))


def _encoded(media: Media, status: int, message: Any) -> Reply:
    if media.type == _JSON:
        body = json_format.MessageToJson(message, indent=None).encode()
        return Reply(status, body, {"Content-Type": _JSON})
    return Reply(status, message.SerializeToString(), {"Content-Type": _PROTOBUF})
