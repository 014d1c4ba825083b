"""The message of errors in OTLP.

Source: the specification of OTLP/HTTP, which refers to `google.rpc.Status`.
"""

from __future__ import annotations

from typing import Any

from apps.telemetry.protocols.protobuf import INT32, ONE, STRING, message_class

Status: Any = message_class(
    "google.rpc", {"Status": {"code": (1, INT32, ONE), "message": (2, STRING, ONE)}}, "Status"
)
