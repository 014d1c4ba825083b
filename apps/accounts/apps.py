from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Import the OpenAPI extension, which registers itself."""
        import apps.accounts.api.schema  # noqa: F401, PLC0415
