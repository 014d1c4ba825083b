"""drf-spectacular extension for the API's authentication class."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Security scheme of all credentials, described in `urfmp.common.api.openapi_hooks`."""

    target_class = "apps.accounts.api.authentication.PrincipalAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return {"type": "http", "scheme": "bearer"}
