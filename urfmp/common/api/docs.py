"""The OpenAPI document, and the page on which it can be read and tried."""

from __future__ import annotations

from typing import Any

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView


class _JsonProblemsMixin(APIView):
    """A refusal is the problem document that its type says it is, whatever the view renders."""

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        """Write a refusal as JSON."""
        response: Response = super().finalize_response(*args, **kwargs)
        if response.exception:
            response.accepted_renderer = JSONRenderer()
            response.accepted_media_type = JSONRenderer.media_type
        return response


class SchemaView(_JsonProblemsMixin, SpectacularAPIView):
    """The document, as YAML or JSON: `Accept`, or `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation


class DocsView(_JsonProblemsMixin, SpectacularSwaggerSplitView):
    """The page: a document and scripts from our own address, nothing inline."""

    template_name = "pages/api_docs.html"
