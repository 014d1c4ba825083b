"""Profile of the user: name, timezone and calendar feed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.accounts.services.users import user_update_profile
from apps.maintenance.selectors.calendar_feeds import user_feed
from apps.maintenance.services.calendar_feeds import calendar_feed_create, calendar_feed_revoke
from urfmp.common.http.view_policy import view_policy
from urfmp.common.time.zones import timezone_choices
from urfmp.pages.views.maintenance.feed import feed_url
from urfmp.pages.views.rendering import render_page, require_permission


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What users may change about themselves."""

    timezone = forms.ChoiceField(
        required=False,
        help_text="Pages and e-mails show your times in this timezone. Days in charts and totals "
        "are the organization's.",
        widget=UnfoldAdminSelectWidget(),
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "timezone")
        widgets = dict.fromkeys(("first_name", "last_name"), UnfoldAdminTextInputWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Name the organization's timezone among the choices."""
        super().__init__(*args, **kwargs)
        default = f"Same as {self.instance.organization} ({self.instance.organization.timezone})"
        self.fields["timezone"].choices = [("", default), *timezone_choices()]  # type: ignore[attr-defined]


@view_policy(home_organization=True)
def profile_page(request: HttpRequest) -> HttpResponse:
    """Show and change the user's own name, timezone and calendar feed.

    The POST field `do` names an action on the feed. Only the response that creates a feed contains
    its address.
    """
    user: Any = request.user
    if request.method == "POST" and "do" in request.POST:
        return _change_feed(request, user)
    # Validation changes the form's instance; the page's own user stays as stored.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        user_update_profile(user, **form.cleaned_data)
        messages.success(request, "Your profile was changed.")
        return HttpResponseRedirect(reverse("admin:profile_page"))
    response = _render(request, user, form)
    response.status_code = 400 if form.is_bound else 200
    return response


def _change_feed(request: HttpRequest, user: Any) -> HttpResponse:
    require_permission(request, "maintenance.view_maintenancetask")
    if request.POST["do"] == "create_feed":
        _, token = calendar_feed_create(user)
        form = ProfileForm(instance=User.objects.get(pk=user.pk))
        return _render(request, user, form, feed_url(token))
    if request.POST["do"] == "revoke_feed" and calendar_feed_revoke(user):
        messages.success(request, "The calendar feed was revoked. Its address no longer works.")
    return HttpResponseRedirect(reverse("admin:profile_page"))


def _render(
    request: HttpRequest, user: Any, form: ProfileForm, feed_address: str = ""
) -> TemplateResponse:
    return render_page(
        request,
        "pages/profile.html",
        "Profile",
        form=form,
        feed=user_feed(user),
        feed_address=feed_address,
    )
