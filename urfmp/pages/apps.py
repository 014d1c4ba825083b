from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PagesConfig(AppConfig):
    name = "urfmp.pages"
    label = "pages"
    default = True


class FleetAdminConfig(AdminConfig):
    """Django admin with `FleetAdminSite`. The app of the theme is installed beside it."""

    default = False
    default_site = "urfmp.pages.site.FleetAdminSite"
