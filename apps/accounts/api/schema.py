"""What drf-spectacular needs to know of our authentication; the document says the rest."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Any of the credentials that `urfmp.common.api.openapi_hooks` describes."""

    target_class = "apps.accounts.api.authentication.PrincipalAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return {"type": "http", "scheme": "bearer"}
