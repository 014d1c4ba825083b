from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PagesConfig(AppConfig):
    name = "urfmp.pages"
    label = "pages"
    default = True


class FleetAdminConfig(AdminConfig):
    """Django admin with `FleetAdminSite`; the theme is a separate app."""

    default = False
    default_site = "urfmp.pages.site.FleetAdminSite"
