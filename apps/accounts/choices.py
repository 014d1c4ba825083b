from __future__ import annotations

from django.db import models

# The organization of the platform's super admins.
PLATFORM_SLUG = "platform"


class Role(models.TextChoices):
    """Role of a user; `apps.accounts.permissions.roles` lists its permissions."""

    SUPER_ADMIN = "super_admin", "Super admin"
    ADMIN = "admin", "Admin"
    MANAGER = "manager", "Manager"
    OPERATOR = "operator", "Operator"
    TECHNICIAN = "technician", "Technician"
    VIEWER = "viewer", "Viewer"
    CUSTOM = "custom", "Custom"


class LinkPurpose(models.TextChoices):
    """Purpose of a one-time link.

    The docstring of `apps.accounts.selectors.one_time_links` describes how to add one.
    """

    PASSWORD_RESET = "password_reset", "Password reset"
    INVITATION = "invitation", "Invitation"
