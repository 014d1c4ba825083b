from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db.models import Model

from urfmp.common.security.field_encryption import is_sealed_with_newest_key, seal, unseal
from urfmp.common.tenancy.context import act, tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the newest of ENCRYPTION_KEYS; afterwards older ones may go."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through every model that names `sealed_fields`, one organization at a time."""
        done = 0
        models = [model for model in apps.get_models() if getattr(model, "sealed_fields", ())]
        for organization_id in organization_ids():
            with tenant_transaction(organization_id), act("organizations.secrets.rewrap"):
                done += sum(_rewrap(model) for model in models)
        self.stdout.write(f"{done} secrets sealed anew.")


def _rewrap(model: type[Model]) -> int:
    done = 0
    for row in model._default_manager.select_for_update().order_by("pk"):
        place = {"organization_id": row.organization_id, "row_id": row.pk}  # type: ignore[attr-defined]
        for field in model.sealed_fields:  # type: ignore[attr-defined]
            old = getattr(row, field)
            if not old or is_sealed_with_newest_key(old):
                continue
            new = seal(unseal(old, field=field, **place), field=field, **place)
            model._default_manager.filter(pk=row.pk).update(**{field: new})
            done += 1
    return done
