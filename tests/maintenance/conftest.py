from __future__ import annotations

import pytest

from apps.accounts.services.users import system_user_get
from apps.maintenance.services.tasks import task_create


@pytest.fixture
def make_task(tenant):
    def make(organization, **fields):
        with tenant(organization):
            author = system_user_get(organization_id=organization.id)
            return task_create(
                organization_id=organization.id,
                created_by=author,
                **{"title": "Grease", "type": "lubrication", **fields},
            )

    return make
