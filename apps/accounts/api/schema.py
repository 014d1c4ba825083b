"""What the OpenAPI document says about credentials."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """An API key or a person's access token in either header."""

    target_class = "apps.accounts.api.authentication.PrincipalAuthentication"
    name = ["apiKeyBearer", "apiKeyHeader"]

    def get_security_definition(self, auto_schema: Any) -> Any:
        return [
            {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
            {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        ]
