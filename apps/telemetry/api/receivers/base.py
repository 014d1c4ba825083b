"""What a receiver has to define, independent of the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.accounts.models.line_protocol_mapping import LineProtocolMapping
from apps.telemetry.protocols.received_batch import ReceivedBatch
from apps.telemetry.services.telemetry import IngestResult

# Values of a request; they are stored in several transactions.
MAX_VALUES = 50_000
MAX_REJECTIONS_IN_MESSAGE = 3


@dataclass(frozen=True)
class Media:
    """The Content-Type of a request, in lower case, and its parameters."""

    type: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, header: str) -> Media:
        """Return the media type of a header."""
        media_type, *rest = (part.strip() for part in header.split(";"))
        pairs = (part.partition("=") for part in rest)
        return cls(media_type.lower(), {name.lower(): text.strip('"') for name, _, text in pairs})


@dataclass(frozen=True)
class Reply:
    """A response, apart from the headers that all responses have."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Receiver(ABC):
    """A format of metrics: how to read it and how to respond."""

    @abstractmethod
    def check(self, media: Media) -> None:
        """Check the media type.

        Raises:
            UnsupportedMediaTypeError: It is not one of the format.
        """

    @abstractmethod
    def decode(self, body: bytes, media: Media, mapping: LineProtocolMapping) -> ReceivedBatch:
        """Decode a decompressed body.

        Raises:
            ApplicationError: The body as a whole is invalid.
        """

    @abstractmethod
    def reply(self, media: Media, batch: ReceivedBatch, result: IngestResult) -> Reply:
        """Return the response to points that were processed."""

    @abstractmethod
    def error(self, media: Media, status: int, message: str) -> Reply:
        """Return an error as senders of the format expect it."""


def rejection_text(batch: ReceivedBatch, result: IngestResult) -> str:
    """Return why values were not stored, for the log of the sender."""
    reasons = "; ".join(
        f"{batch.names[one.index][:100]}: {one.code}: {one.detail}"
        for one in result.rejected[:MAX_REJECTIONS_IN_MESSAGE]
    )
    count = rejected_count(batch, result)
    return f"{count} of {batch.value_count} values were not stored: {reasons}"


def rejected_count(batch: ReceivedBatch, result: IngestResult) -> int:
    """Return the number of values of which a point was rejected."""
    return len({batch.values[one.index] for one in result.rejected})
