"""Services for super admins: onboard, enter, limit and deactivate organizations.

Only these services switch from one organization's transaction to another's. Both organizations'
audit logs contain such an action.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.choices import PLATFORM_SLUG, LinkPurpose, Role
from apps.accounts.permissions.active_organization import ActiveOrganization
from apps.accounts.services.one_time_links import link_request
from apps.accounts.services.quotas import LIMIT_COLUMNS
from apps.accounts.services.session_store import SessionStore
from apps.accounts.services.sessions import active_organization_store, sessions_revoke_organization
from apps.accounts.services.users import user_create
from apps.audit.services.audit_logs import audit_record
from apps.organizations.exceptions import NoActiveOrganizationError, PlatformOrganizationError
from apps.organizations.models import Organization, PlatformOrganization
from apps.organizations.services.organizations import organization_create
from urfmp.common.tenancy.context import audit_action, switch_organization_transaction


def organization_onboard(
    *, name: str, slug: str, plan: str, admin_email: str | None = None
) -> Organization:
    """Create an organization and, optionally, invite its first admin.

    Args:
        name: Name of the organization.
        slug: Unique slug of the organization.
        plan: One of `Plan`.
        admin_email: Address of the first admin, who receives an invitation; None for no admin.

    Raises:
        MailNotConfiguredError: An address is given, but sending e-mail is not configured.
        ValidationError: A field is invalid, or the slug or the address is taken.
    """
    with audit_action("organizations.organization.create"):
        organization = organization_create(name=name, slug=slug, plan=plan)
        if admin_email:
            with switch_organization_transaction(organization.pk):
                admin = user_create(
                    organization_id=organization.pk, email=admin_email, role=Role.ADMIN
                )
                link_request(admin, LinkPurpose.INVITATION)
        _audit_action("organizations.organization.create", organization)
    return organization


def organization_switch(
    session: SessionStore | UUID,
    organization: PlatformOrganization,
    *,
    active: ActiveOrganization | None,
) -> ActiveOrganization:
    """Make an organization active in a super admin's session.

    The change applies from the next request on.

    Call it inside the platform's transaction. The organization that was active before is left.

    Args:
        session: Session of the browser, or the id of the session of an access token.
        organization: Organization to work in.
        active: Organization that was active before, if any.

    Returns:
        The new active organization.
    """
    with audit_action("organizations.organization.choose"):
        if active is not None:
            organization_switch_back(session, active)
        chosen = ActiveOrganization(organization.pk, organization.name)
        _audit_action("organizations.organization.choose", chosen)
        with switch_organization_transaction(chosen.id):
            _audit_action("organizations.organization.choose", chosen)
        active_organization_store(session, chosen)
    return chosen


def organization_switch_back(
    session: SessionStore | UUID, chosen: ActiveOrganization | None
) -> None:
    """Return a super admin's session to the platform's own organization.

    The change applies from the next request on.

    Args:
        session: Session of the browser, or the id of the session of an access token.
        chosen: Organization that is active now, if any.

    Raises:
        NoActiveOrganizationError: No organization is active.
    """
    if chosen is None:
        raise NoActiveOrganizationError
    with audit_action("organizations.organization.leave"):
        _audit_action("organizations.organization.leave", chosen)
        with switch_organization_transaction(chosen.id):
            _audit_action("organizations.organization.leave", chosen)
        active_organization_store(session, None)


def _audit_action(action: str, organization: Organization | ActiveOrganization) -> None:
    audit_record(
        action=action,
        resource_type="organization",
        resource_id=organization.id,
        request_data={"name": organization.name},
    )


def organization_set_plan(organization: Organization, *, plan: str, **limits: Any) -> Organization:
    """Change the plan and the limits of an organization.

    Existing robots, users and API keys are kept, even above the new limits.

    Args:
        organization: Organization to change.
        plan: One of `Plan`.
        limits: `robot_limit`, `user_limit` and `api_key_limit` of the plan custom; None for no
            limit. With another plan they are cleared.

    Raises:
        ValidationError: A value is invalid.
    """
    wanted = {column: limits.get(column) for column in LIMIT_COLUMNS.values()}
    with audit_action("organizations.organization.set_plan"):
        organization.plan = plan
        for column, limit in wanted.items():
            setattr(organization, column, limit if plan == "custom" else None)
        organization.full_clean()
        organization.save(update_fields=["plan", *wanted])
        organization.refresh_from_db(fields=["updated_at"])
    return organization


def organization_deactivate(organization: Organization) -> Organization:
    """Deactivate an organization and revoke all its credentials at once.

    Sessions and their tokens are deleted. API keys and links are rejected while the organization
    is not active, because every credential look-up checks that. Streams close once their
    credential is invalid. The row is locked, so that no quota is reserved meanwhile.

    Raises:
        PlatformOrganizationError: The organization is the platform's own.
    """
    if organization.slug == PLATFORM_SLUG:
        raise PlatformOrganizationError
    with audit_action("organizations.organization.deactivate"):
        _set_active(organization, is_active=False)
        sessions_revoke_organization(organization.pk)
    return organization


def organization_reactivate(organization: Organization) -> Organization:
    """Reactivate an organization.

    Its users have to sign in again; its API keys are valid again.
    """
    with audit_action("organizations.organization.reactivate"):
        _set_active(organization, is_active=True)
    return organization


def _set_active(organization: Organization, *, is_active: bool) -> None:
    organization.is_active = is_active
    organization.save(update_fields=["is_active"])
    organization.refresh_from_db(fields=["updated_at"])
