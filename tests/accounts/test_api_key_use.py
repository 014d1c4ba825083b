"""Recording of the last use of API keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.selectors.credentials import key_credential
from tests.support.api_keys import get_with_key, key_row
from tests.support.concurrency import run_concurrently


def test_key_use_is_recorded_once_a_minute(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"])
    assert key_row(key, organization_a, tenant).last_used_at is None
    get_with_key(key)
    first = key_row(key, organization_a, tenant).last_used_at
    assert timezone.now() - first < timedelta(minutes=1)
    get_with_key(key)
    assert key_row(key, organization_a, tenant).last_used_at == first
    earlier = timezone.now() - timedelta(minutes=5)
    with tenant(organization_a):
        ApiKey.objects.update(last_used_at=earlier)
    get_with_key(key)
    assert key_row(key, organization_a, tenant).last_used_at > earlier + timedelta(minutes=1)


def test_denied_request_does_not_record_use(organization_a, make_key, tenant):
    key = make_key(organization_a, ["robots:read"], allowed_networks=["192.0.2.0/24"])
    get_with_key(key)
    assert key_row(key, organization_a, tenant).last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_locked_key_does_not_delay_request(organization_a, make_key, tenant):
    """A request succeeds while another transaction has locked the key's row."""
    key = make_key(organization_a, ["robots:read"])
    with tenant(organization_a):
        ApiKey.objects.select_for_update().get()
        (answer,) = run_concurrently(lambda: get_with_key(key))
        assert answer.status_code == 200
    assert key_row(key, organization_a, tenant).last_used_at is None
    assert key_credential(key) is not None
