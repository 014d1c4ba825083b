"""Which form an answer takes: what the `Accept` header says, and nothing in the address."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation


class HeaderNegotiation(DefaultContentNegotiation):
    """DRF's, without its `?format` parameter."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)
