"""What one client may hold of a web process."""

from __future__ import annotations

from dataclasses import dataclass

_KILOBYTE = 1024
_MEGABYTE = 1024 * _KILOBYTE


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of time, memory and connections.

    Attributes:
        max_silence_seconds: How long a new connection may send nothing.
        max_arrival_seconds: How long a request may take to arrive, apart from `min_rate`.
        min_rate: Bytes per second; each adds to the time of a body or of a response.
        max_stall_seconds: How long a client may accept nothing of a response.
        max_linger_seconds: How long a closed connection may send nothing before it is dropped.
        max_linger_bytes: Bytes that are discarded after the last response.
        max_head_bytes: Size of request line and headers.
        max_body_bytes: Size of a body, decoded.
        max_upload_bytes: Size of a body that contains files (`multipart/form-data`), decoded.
        max_body_bytes_total: Bytes of all bodies that have not been handled yet.
        max_buffered_bytes: Bytes of one response that wait for the client without a thread.
        max_buffered_bytes_total: Bytes of all responses that wait without a thread.
    """

    max_silence_seconds: float = 10.0
    max_arrival_seconds: float = 30.0
    min_rate: int = 16 * _KILOBYTE
    max_stall_seconds: float = 30.0
    max_linger_seconds: float = 2.0
    max_linger_bytes: int = 32 * _MEGABYTE
    max_head_bytes: int = 64 * _KILOBYTE
    max_body_bytes: int = 8 * _MEGABYTE
    max_upload_bytes: int = 32 * _MEGABYTE
    max_body_bytes_total: int = 96 * _MEGABYTE
    max_buffered_bytes: int = 2 * _MEGABYTE
    max_buffered_bytes_total: int = 64 * _MEGABYTE

    def arrival_seconds(self, received: int) -> float:
        """Return how long a request may take to arrive."""
        return self.max_arrival_seconds + received / self.min_rate

    def sending_seconds(self, sent: int) -> float:
        """Return how long a client may take to read a response."""
        return self.max_stall_seconds + sent / self.min_rate
