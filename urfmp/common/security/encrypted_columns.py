"""Columns with encrypted secrets, and their rotation to the newest key.

A model lists its columns in `encrypted_columns`, where the rotation finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, Protocol
from uuid import UUID

from django.apps import apps
from django.db.models import Model, Q

from urfmp.common.security.field_encryption import (
    DecryptionError,
    decrypt,
    encrypt,
    is_encrypted_with_newest_key,
)
from urfmp.common.tenancy.context import audit_action, tenant_transaction

_BATCH_ROWS = 200


class EncryptedColumn(Protocol):
    """A column with secrets, each under its authenticated field."""

    name: str

    def secrets(self, stored: Any) -> dict[str, str]:
        """Return the encrypted secrets of a stored value by field."""

    def replaced(self, stored: Any, secrets: dict[str, str]) -> Any:
        """Return a stored value with other secrets."""


@dataclass(frozen=True)
class EncryptedText:
    """A column that contains one secret and nothing else."""

    name: str

    def secrets(self, stored: str) -> dict[str, str]:
        """Return the secret; its field is the column."""
        return {self.name: stored} if stored else {}

    def replaced(self, stored: str, secrets: dict[str, str]) -> str:
        """Return the new secret."""
        return secrets.get(self.name, stored)


@dataclass(frozen=True)
class EncryptedJson:
    """A JSON column with `{"secrets": {name: {"value": ...}}}`."""

    name: str

    def _field(self, secret: str) -> str:
        return f"{self.name}.{secret}"

    def secrets(self, stored: dict[str, Any] | None) -> dict[str, str]:
        """Return the secrets; a field is column and name."""
        secrets = (stored or {}).get("secrets", {})
        return {self._field(name): secret["value"] for name, secret in secrets.items()}

    def replaced(self, stored: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
        """Return the settings with the new secrets; their times stay."""
        renewed = {
            name: {**secret, "value": secrets.get(self._field(name), secret["value"])}
            for name, secret in stored["secrets"].items()
        }
        return {**stored, "secrets": renewed}


@dataclass
class RotationResult:
    """Counts of a rotation.

    Attributes:
        reencrypted: Secrets that are now encrypted with the newest key.
        current: Secrets that already were.
        failed: Secrets that cannot be decrypted: table, row, field and reason.
    """

    reencrypted: int = 0
    current: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, other: RotationResult) -> None:
        """Add the counts of another part."""
        self.reencrypted += other.reencrypted
        self.current += other.current
        self.failed += other.failed


def encrypted_models() -> list[type[Model]]:
    """Return the models that store encrypted secrets."""
    return [model for model in apps.get_models() if getattr(model, "encrypted_columns", ())]


def reencrypt(model: type[Model], organization_id: UUID) -> Iterator[RotationResult]:
    """Encrypt an organization's secrets with the newest key, in batches.

    Each batch is a transaction of its own. After an interruption the next call continues: secrets
    that have the newest key are left alone.

    Yields:
        The counts of each batch, after its commit.
    """
    after: UUID | None = None
    while True:
        result = RotationResult()
        with tenant_transaction(organization_id), audit_action("organizations.secrets.rewrap"):
            # Locked, because a secret that is replaced meanwhile must not be overwritten.
            rows = model._default_manager.filter(_has_value(model)).order_by("pk")
            rows = rows.select_for_update(no_key=True)
            batch = list((rows.filter(pk__gt=after) if after else rows)[:_BATCH_ROWS])
            for row in batch:
                _reencrypt_row(row, result)
        if not batch:
            return
        after = batch[-1].pk
        yield result


def _has_value(model: Any) -> Q:
    conditions = (Q(**{f"{column.name}__isnull": False}) for column in model.encrypted_columns)
    return reduce(or_, conditions)


def _reencrypt_row(row: Any, result: RotationResult) -> None:
    changes = {}
    for column in row.encrypted_columns:
        stored = getattr(row, column.name)
        renewed: dict[str, str] = {}
        for name, old in column.secrets(stored).items():
            if is_encrypted_with_newest_key(old):
                result.current += 1
                continue
            context = {"organization_id": row.organization_id, "row_id": row.pk, "field": name}
            try:
                renewed[name] = encrypt(decrypt(old, **context), **context)
            except DecryptionError as error:
                result.failed.append(f"{row._meta.db_table} {row.pk} {name}: {error}")
        if renewed:
            changes[column.name] = column.replaced(stored, renewed)
            result.reencrypted += len(renewed)
    if changes:
        type(row)._default_manager.filter(pk=row.pk).update(**changes)
