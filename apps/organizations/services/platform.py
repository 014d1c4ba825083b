"""What the platform's super admins do: open organizations, enter them, limit and end them.

Only these step from one organization's transaction into another's. Both records tell of it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.auth.session_store import SessionStore
from apps.accounts.choices import PLATFORM_SLUG, LinkPurpose, Role
from apps.accounts.permissions.active_organization import ActiveOrganization
from apps.accounts.services.one_time_links import link_order
from apps.accounts.services.organization_switch import active_organization_store
from apps.accounts.services.quotas import LIMIT_COLUMNS
from apps.accounts.services.sessions import sessions_end_all
from apps.accounts.services.users import user_create
from apps.audit.services.audit_logs import audit_record
from apps.organizations.exceptions import NoOrganizationChosenError, PlatformOrganizationError
from apps.organizations.models import Organization, PlatformOrganization
from apps.organizations.services.organizations import organization_create
from urfmp.common.tenancy.context import act, crossing_transaction


def organization_onboard(
    *, name: str, slug: str, plan: str, admin_email: str | None = None
) -> Organization:
    """Make a tenant and, where an address is given, its first admin, who is sent an invitation.

    Raises:
        MailNotConfiguredError: An address was given, and e-mail has no way out.
        ValidationError: A field does not fit, or the slug or the address is taken.
    """
    with act("organizations.organization.create"):
        organization = organization_create(name=name, slug=slug, plan=plan)
        if admin_email:
            with crossing_transaction(organization.pk):
                admin = user_create(
                    organization_id=organization.pk, email=admin_email, role=Role.ADMIN
                )
                link_order(admin, LinkPurpose.INVITATION)
        _record("organizations.organization.create", organization)
    return organization


def organization_switch(
    session: SessionStore | UUID,
    organization: PlatformOrganization,
    *,
    active: ActiveOrganization | None,
) -> ActiveOrganization:
    """Let a super admin work in an organization from the next request on.

    Call it inside the platform's transaction. The organization that was active before is left.

    Args:
        session: Session of the browser, or the id of the session of an access token.
        organization: Organization to work in.
        active: Organization that was active before, if any.

    Returns:
        The new active organization.
    """
    with act("organizations.organization.choose"):
        if active is not None:
            organization_switch_back(session, active)
        chosen = ActiveOrganization(organization.pk, organization.name)
        _record("organizations.organization.choose", chosen)
        with crossing_transaction(chosen.id):
            _record("organizations.organization.choose", chosen)
        active_organization_store(session, chosen)
    return chosen


def organization_switch_back(
    session: SessionStore | UUID, chosen: ActiveOrganization | None
) -> None:
    """Let a super admin work in the platform's own organization from the next request on.

    Args:
        session: Session of the browser, or the id of the session of an access token.
        chosen: Organization that is active now, if any.

    Raises:
        NoOrganizationChosenError: No organization is active.
    """
    if chosen is None:
        raise NoOrganizationChosenError
    with act("organizations.organization.leave"):
        _record("organizations.organization.leave", chosen)
        with crossing_transaction(chosen.id):
            _record("organizations.organization.leave", chosen)
        active_organization_store(session, None)


def _record(action: str, organization: Organization | ActiveOrganization) -> None:
    audit_record(
        action=action,
        resource_type="organization",
        resource_id=organization.id,
        request_data={"name": organization.name},
    )


def organization_set_plan(organization: Organization, *, plan: str, **limits: Any) -> Organization:
    """Change what an organization may have in use; what it has stays.

    Args:
        organization: Whose plan.
        plan: One of `Plan`.
        limits: `robot_limit`, `user_limit` and `api_key_limit` of the plan custom; None for any
            number. With another plan they are cleared.

    Raises:
        ValidationError: A value does not fit.
    """
    wanted = {column: limits.get(column) for column in LIMIT_COLUMNS.values()}
    with act("organizations.organization.set_plan"):
        organization.plan = plan
        for column, limit in wanted.items():
            setattr(organization, column, limit if plan == "custom" else None)
        organization.full_clean()
        organization.save(update_fields=["plan", *wanted])
        organization.refresh_from_db(fields=["updated_at"])
    return organization


def organization_deactivate(organization: Organization) -> Organization:
    """End everything of an organization at once: sign-ins, tokens, keys, streams.

    Its sign-ins are deleted; keys and links are refused while it is not active, as every look-up of
    a credential asks for that; streams close when their credential is gone. Its row is locked, so
    that nothing is counted against its plan meanwhile.

    Raises:
        PlatformOrganizationError: It is the platform's own.
    """
    if organization.slug == PLATFORM_SLUG:
        raise PlatformOrganizationError
    with act("organizations.organization.deactivate"):
        _set_active(organization, is_active=False)
        sessions_end_all(organization.pk)
    return organization


def organization_reactivate(organization: Organization) -> Organization:
    """Let an organization work again; its people sign in anew, its keys are good as before."""
    with act("organizations.organization.reactivate"):
        _set_active(organization, is_active=True)
    return organization


def _set_active(organization: Organization, *, is_active: bool) -> None:
    organization.is_active = is_active
    organization.save(update_fields=["is_active"])
    organization.refresh_from_db(fields=["updated_at"])
