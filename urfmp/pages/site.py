"""The admin site: our sign-in, our home, our pages, and times in the organization's timezone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern
from unfold.sites import UnfoldAdminSite

from apps.accounts.middleware.second_factor import precedes_second_factor
from urfmp.common.http.view_flags import acts_at_home
from urfmp.pages.decorators import in_local_time, without_nul
from urfmp.pages.step_up import with_step_up

View = Callable[..., HttpResponseBase]


class FleetAdminSite(UnfoldAdminSite):
    """Every page of the browser side. Who may see a page is asked by the page itself."""

    site_title = "URFMP"
    index_title = "Home"
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern]:
        """Add our pages, and leave out Django's jump to any object by its type."""
        from urfmp.pages.urls import page_urls  # noqa: PLC0415 - views import the registry

        urls = [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]
        return [*page_urls(self), *urls]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Give every page times of the organization, text that can be text, and the step-up."""
        return without_nul(super().admin_view(in_local_time(with_step_up(view)), cacheable))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the colours to theme.css: the theme would write them into a style element."""
        return {**super().each_context(request), "colors": None, "border_radius": None}

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the state of the fleet."""
        from urfmp.pages.views.home import home  # noqa: PLC0415

        return home(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Sign in by e-mail and password."""
        from urfmp.pages.views.sign_in import sign_in  # noqa: PLC0415

        return sign_in(request)

    @precedes_second_factor
    @acts_at_home
    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Sign out."""
        from urfmp.pages.views.sign_in import sign_out  # noqa: PLC0415

        return sign_out(request)

    @acts_at_home
    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Let a person choose another password."""
        from urfmp.pages.views.sign_in import password_change  # noqa: PLC0415

        return password_change(request)

    def search(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Find rows for the command palette; nothing is kept between requests."""
        from urfmp.pages.views.search import search  # noqa: PLC0415

        return search(request)
