"""Prometheus' remote write."""

from __future__ import annotations

import json
from http import HTTPStatus

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
from apps.telemetry.protocols.prometheus.remote_write import MESSAGES, decode_remote_write
from apps.telemetry.protocols.received_batch import ReceivedBatch
from apps.telemetry.services.telemetry import IngestResult

_PROTOBUF = "application/x-protobuf"
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_WRITTEN = "X-Prometheus-Remote-Write-{}-Written"


class RemoteWriteReceiver(Receiver):
    """Remote write 1.0 and 2.0; 204 means committed.

    Prometheus sends again what gets a status of 500 and above, and drops everything else. So
    samples that stay invalid get 400 while the others are stored, and a sender that is too fast
    gets 503 instead of 429.
    """

    def check(self, media: Media) -> None:
        """Check the media type, and the message that it names."""
        if media.type != _PROTOBUF or media.parameters.get("proto", "") not in MESSAGES:
            known = " or ".join(filter(None, MESSAGES))
            msg = f"Send {_PROTOBUF} with the message {known}."
            raise UnsupportedMediaTypeError(msg)

    def decode(self, body: bytes, media: Media, mapping: LineProtocolMapping) -> ReceivedBatch:
        """Decode samples."""
        version = MESSAGES[media.parameters.get("proto", "")]
        return decode_remote_write(body, version=version, max_samples=MAX_VALUES, mapping=mapping)

    def reply(self, media: Media, batch: ReceivedBatch, result: IngestResult) -> Reply:
        """Return 204, or 400 with reasons if samples were rejected.

        Version 2.0 demands the numbers of what was written.
        """
        rejected = rejected_count(batch, result)
        written = batch.value_count - batch.dropped - rejected
        headers = {
            _WRITTEN.format("Samples"): str(written),
            _WRITTEN.format("Histograms"): "0",
            _WRITTEN.format("Exemplars"): "0",
        }
        if batch.dropped:
            headers["X-Dropped-Samples"] = str(batch.dropped)
        if batch.renamed:
            headers["X-Renamed-Metrics"] = json.dumps(batch.renamed)
        if not rejected:
            return Reply(HTTPStatus.NO_CONTENT, headers=headers)
        text = rejection_text(batch, result)
        return Reply(HTTPStatus.BAD_REQUEST, text.encode(), {**headers, **_TEXT})

    def error(self, media: Media, status: int, message: str) -> Reply:
        """Return a line of text, which Prometheus logs."""
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            status = HTTPStatus.SERVICE_UNAVAILABLE
        return Reply(status, message.encode(), _TEXT)
