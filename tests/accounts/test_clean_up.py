from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import UserSession
from apps.accounts.services.sessions import expired_sessions_delete
from apps.accounts.tasks import clean_up


def test_clean_up_deletes_sessions_30_days_after_expiry(
    organization_a, organization_b, alice, charlie, client_for, tenant
):
    for user in (alice, charlie):
        for _ in range(2):
            client_for(user)
    for organization in (organization_a, organization_b):
        with tenant(organization):
            rows = UserSession.objects.order_by("created_at", "id")
            for row, days in zip(rows, (29, 31), strict=True):
                UserSession.objects.filter(pk=row.pk).update(
                    expires_at=timezone.now() - timedelta(days=days)
                )
    with tenant(organization_a):
        assert expired_sessions_delete() == 1
        assert UserSession.objects.count() == 1
    clean_up(0)
    with tenant(organization_b):
        assert UserSession.objects.count() == 1
