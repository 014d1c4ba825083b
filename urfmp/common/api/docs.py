"""The OpenAPI document, and the page to read and try it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView


class _JsonProblemsMixin(APIView):
    """Renders errors as JSON problem details, whatever format the view renders."""

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        """Select the JSON renderer for errors."""
        response: Response = super().finalize_response(*args, **kwargs)
        if response.exception:
            response.accepted_renderer = JSONRenderer()
            response.accepted_media_type = JSONRenderer.media_type
        return response


class SchemaView(_JsonProblemsMixin, SpectacularAPIView):
    """The document, as YAML or JSON: `Accept`, or `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation


class DocsView(_JsonProblemsMixin, SpectacularSwaggerSplitView):
    """The page on which the document can be read and tried.

    Document and scripts come from our own origin; nothing is inline.
    """

    template_name = "pages/api_docs.html"
