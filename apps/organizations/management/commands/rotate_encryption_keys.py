from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from urfmp.common.security.encrypted_columns import RotationResult, encrypted_models, reencrypt
from urfmp.common.tenancy.organizations import organization_ids


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret with the newest of ENCRYPTION_KEYS; afterwards the older keys"
        " can be removed. Can be interrupted and repeated."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Re-encrypt the secrets of all models, by organization.

        Raises:
            CommandError: Some secrets cannot be decrypted; the others are re-encrypted.
        """
        total = RotationResult()
        for model in encrypted_models():
            result = RotationResult()
            for organization_id in organization_ids():
                for batch in reencrypt(model, organization_id):
                    result.add(batch)
            self.stdout.write(f"{model._meta.db_table}: {_counts(result)}.")
            total.add(result)
        for text in total.failed:
            self.stderr.write(text)
        if total.failed:
            msg = f"{len(total.failed)} secrets cannot be decrypted. Keep the older keys."
            raise CommandError(msg)


def _counts(result: RotationResult) -> str:
    return (
        f"{result.reencrypted} secrets re-encrypted, {result.current} already have the newest key,"
        f" {len(result.failed)} failed"
    )
