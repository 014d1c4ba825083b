"""Profile of the user: name and timezone."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.accounts.models import User
from apps.accounts.services.users import user_update_profile
from urfmp.common.http.view_policy import view_policy
from urfmp.common.time.zones import timezone_choices
from urfmp.pages.views.rendering import render_page


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
    """Show and change the user's own name and timezone."""
    user: Any = request.user
    # Validation changes the form's instance; the page's own user stays as stored.
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        user_update_profile(user, **form.cleaned_data)
        messages.success(request, "Your profile was changed.")
        return HttpResponseRedirect(reverse("admin:profile_page"))
    response = render_page(request, "pages/profile.html", "Profile", form=form)
    response.status_code = 400 if form.is_bound else 200
    return response
