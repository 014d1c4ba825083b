from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand
from django.db.models import Model

from urfmp.common.security.field_encryption import decrypt, encrypt, is_encrypted_with_newest_key
from urfmp.common.tenancy.context import audit_action, tenant_transaction
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the newest of ENCRYPTION_KEYS; afterwards older ones may go."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through every model that names `encrypted_fields`, one organization at a time."""
        done = 0
        models = [model for model in apps.get_models() if getattr(model, "encrypted_fields", ())]
        for organization_id in organization_ids():
            with tenant_transaction(organization_id), audit_action("organizations.secrets.rewrap"):
                done += sum(_rewrap(model) for model in models)
        self.stdout.write(f"{done} secrets sealed anew.")


def _rewrap(model: type[Model]) -> int:
    done = 0
    for row in model._default_manager.select_for_update().order_by("pk"):
        place = {"organization_id": row.organization_id, "row_id": row.pk}  # type: ignore[attr-defined]
        for field in model.encrypted_fields:  # type: ignore[attr-defined]
            old = getattr(row, field)
            if not old or is_encrypted_with_newest_key(old):
                continue
            new = encrypt(decrypt(old, field=field, **place), field=field, **place)
            model._default_manager.filter(pk=row.pk).update(**{field: new})
            done += 1
    return done
