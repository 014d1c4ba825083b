from __future__ import annotations

from urfmp.common.exceptions import ApplicationError


class LastAdminError(ApplicationError):
    """This is the organization's last active admin; make somebody else one first."""

    code = "last_admin"


class UnknownScopeError(ApplicationError):
    """A scope does not exist."""

    code = "unknown_scope"
