"""The OpenAPI document, and the page on which it can be read and tried."""

from __future__ import annotations

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.negotiation import DefaultContentNegotiation


class SchemaView(SpectacularAPIView):
    """The document, as YAML or JSON: `Accept`, or `?format=json`."""

    content_negotiation_class = DefaultContentNegotiation


class DocsView(SpectacularSwaggerSplitView):
    """The page: a document and scripts from our own address, nothing inline."""

    template_name = "pages/api_docs.html"
