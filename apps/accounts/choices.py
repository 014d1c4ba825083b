from __future__ import annotations

from django.db import models

# The organization of the platform's super admins.
PLATFORM_SLUG = "platform"


class Role(models.TextChoices):
    """What a person may do; `apps.accounts.permissions.roles` has the table."""

    SUPER_ADMIN = "super_admin", "Super admin"
    ADMIN = "admin", "Admin"
    MANAGER = "manager", "Manager"
    OPERATOR = "operator", "Operator"
    TECHNICIAN = "technician", "Technician"
    VIEWER = "viewer", "Viewer"
    CUSTOM = "custom", "Custom"


class LinkPurpose(models.TextChoices):
    """What a one-time link is for; `apps.accounts.selectors.one_time_links` says how to add one."""

    PASSWORD_RESET = "password_reset", "Password reset"
    INVITATION = "invitation", "Invitation"
