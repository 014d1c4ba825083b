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
        "Encrypt every stored secret with the newest of ENCRYPTION_KEYS; afterwards the older keys"
        " can be removed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Re-encrypt the `encrypted_fields` of all models, by organization."""
        count = 0
        models = [model for model in apps.get_models() if getattr(model, "encrypted_fields", ())]
        for organization_id in organization_ids():
            with tenant_transaction(organization_id), audit_action("organizations.secrets.rewrap"):
                count += sum(_reencrypt(model) for model in models)
        self.stdout.write(f"{count} secrets re-encrypted.")


def _reencrypt(model: type[Model]) -> int:
    count = 0
    for row in model._default_manager.select_for_update().order_by("pk"):
        context = {"organization_id": row.organization_id, "row_id": row.pk}  # type: ignore[attr-defined]
        for field in model.encrypted_fields:  # type: ignore[attr-defined]
            old = getattr(row, field)
            if not old or is_encrypted_with_newest_key(old):
                continue
            new = encrypt(decrypt(old, field=field, **context), field=field, **context)
            model._default_manager.filter(pk=row.pk).update(**{field: new})
            count += 1
    return count
