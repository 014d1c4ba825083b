"""Content negotiation by the `Accept` header, not by a query parameter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation


class HeaderNegotiation(DefaultContentNegotiation):
    """DRF's negotiation without its `?format` parameter."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)
