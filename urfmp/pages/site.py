"""The admin site: own login, home and pages, in the user's timezone."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, reverse
from unfold.sites import UnfoldAdminSite

from urfmp.common.http.view_policy import view_policy
from urfmp.pages.decorators import in_user_timezone, reject_nul
from urfmp.pages.step_up import with_step_up

View = Callable[..., HttpResponseBase]


class RelationAutocompleteView(AutocompleteJsonView):
    """Autocomplete of the relations that a model declares."""

    def process_request(self, request: HttpRequest) -> tuple[Any, ...]:
        """Validate the parameters.

        Raises:
            PermissionDenied: The field is unknown, no relation, or one of another model.
        """
        found: tuple[Any, ...] = super().process_request(request)
        if not found[2].concrete:
            raise PermissionDenied
        return found


class FleetAdminSite(UnfoldAdminSite):
    """Site of all browser pages. Each page checks its own permission."""

    site_title = "URFMP"
    index_title = "Home"
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern]:
        """Add the pages and drop `view_on_site`, which redirects to any object."""
        from urfmp.pages.urls import page_urls  # noqa: PLC0415 - views import the registry

        urls = [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]
        return [*page_urls(self), *urls]

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap each view in timezone, NUL check and step-up authentication.

        A form sent without a session is kept instead of lost in a redirect to the login.
        """
        from urfmp.pages.expired_form import session_expired  # noqa: PLC0415

        wrapped: View = super().admin_view(in_user_timezone(with_step_up(view)), cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            is_form = request.method == "POST" and request.path != reverse("admin:logout")
            if is_form and not request.user.is_authenticated:
                return session_expired(request)
            return wrapped(request, *args, **kwargs)

        return reject_nul(update_wrapper(inner, wrapped))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Suppress the theme's inline colours: the policy forbids style elements.

        `theme.css` sets them instead.
        """
        return {**super().each_context(request), "colors": None, "border_radius": None}

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        """Return rows for a relation.

        A reverse relation is rejected: Django would raise an error.
        """
        return RelationAutocompleteView.as_view(admin_site=self)(request)

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the home page."""
        from urfmp.pages.views.home import home  # noqa: PLC0415

        return home(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Log in with e-mail and password."""
        from urfmp.pages.views.login import login_page  # noqa: PLC0415

        return login_page(request)

    @view_policy(allow_without_second_factor=True, home_organization=True)
    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Log out."""
        from urfmp.pages.views.login import logout_page  # noqa: PLC0415

        return logout_page(request)

    @view_policy(home_organization=True)
    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Change the user's own password."""
        from urfmp.pages.views.login import password_change  # noqa: PLC0415

        return password_change(request)

    def search(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Search for the command palette. No results are cached between requests."""
        from urfmp.pages.views.search import search  # noqa: PLC0415

        return search(request)
