from __future__ import annotations

import uuid
from decimal import Decimal

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
import urfmp.common.db.names
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0012_calendar_feeds"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Part",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=urfmp.common.db.fields.GenerateUuid(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "number",
                    models.CharField(
                        help_text="The manufacturer's or your own number.", max_length=100
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                (
                    "unit",
                    models.CharField(
                        db_default="pcs",
                        default="pcs",
                        help_text="What a quantity counts: pcs, l.",
                        max_length=20,
                    ),
                ),
                (
                    "unit_cost",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        help_text="Cost of one unit in the organization's currency.",
                        max_digits=12,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "minimum_quantity",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        help_text="Below this available quantity, in all places together, the part is low.",
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(db_default=True, default=True, verbose_name="active"),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "parts",
                "ordering": ("number", "id"),
            },
        ),
        migrations.CreateModel(
            name="PartMovement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=urfmp.common.db.fields.GenerateUuid(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("receive", "Receive"),
                            ("reserve", "Reserve"),
                            ("release", "Release"),
                            ("use", "Use"),
                            ("return", "Return"),
                            ("count", "Count"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        help_text="In the part's unit; for a count, what was counted.",
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "quantity_after",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "reserved_after",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                ("reason", models.TextField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "part_movements",
                "ordering": ("-created_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="PartStock",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=urfmp.common.db.fields.GenerateUuid(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "storage_location",
                    models.CharField(
                        help_text='Name of the shelf, cabinet or bin, as in "Cabinet 3, shelf B".',
                        max_length=100,
                    ),
                ),
                (
                    "quantity",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "reserved",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
            ],
            options={
                "verbose_name": "stock",
                "db_table": "part_stocks",
                "ordering": ("storage_location", "id"),
            },
        ),
        migrations.CreateModel(
            name="TaskPart",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=urfmp.common.db.fields.GenerateUuid(),
                        default=uuid.uuid4,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "reserved",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "used",
                    models.DecimalField(
                        db_default=Decimal(0),
                        decimal_places=3,
                        default=Decimal(0),
                        editable=False,
                        max_digits=12,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(1000000)),
                        ],
                    ),
                ),
                (
                    "unit_cost",
                    models.DecimalField(decimal_places=2, editable=False, max_digits=12, null=True),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "task_parts",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.AddField(
            model_name="part",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="organizations.organization",
            ),
        ),
        migrations.AddField(
            model_name="partmovement",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="organizations.organization",
            ),
        ),
        migrations.AddField(
            model_name="partmovement",
            name="part",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="maintenance.part",
            ),
        ),
        migrations.AddField(
            model_name="partmovement",
            name="task",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="maintenance.maintenancetask",
            ),
        ),
        migrations.AddField(
            model_name="partmovement",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="partstock",
            name="facility",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="organizations.facility",
            ),
        ),
        migrations.AddField(
            model_name="partstock",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="organizations.organization",
            ),
        ),
        migrations.AddField(
            model_name="partstock",
            name="part",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="stocks",
                to="maintenance.part",
            ),
        ),
        migrations.AddField(
            model_name="partmovement",
            name="stock",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="maintenance.partstock",
            ),
        ),
        migrations.AddField(
            model_name="taskpart",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="organizations.organization",
            ),
        ),
        migrations.AddField(
            model_name="taskpart",
            name="stock",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="maintenance.partstock",
            ),
        ),
        migrations.AddField(
            model_name="taskpart",
            name="task",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="maintenance.maintenancetask",
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.UniqueConstraint(
                fields=("organization", "number"), name="parts_organization_number_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="parts_organization_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("number")),
                name="parts_number_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="parts_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("unit")),
                name="parts_unit_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=models.Q(("unit_cost__range", (0, Decimal(1000000)))),
                name="parts_unit_cost_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="part",
            constraint=models.CheckConstraint(
                condition=models.Q(("minimum_quantity__range", (0, Decimal(1000000)))),
                name="parts_minimum_quantity_range_check",
            ),
        ),
        migrations.AddIndex(
            model_name="partstock",
            index=models.Index(fields=["organization"], name="idx_part_stocks_organization"),
        ),
        migrations.AddIndex(
            model_name="partstock",
            index=models.Index(fields=["facility"], name="idx_part_stocks_facility"),
        ),
        migrations.AddConstraint(
            model_name="partstock",
            constraint=models.UniqueConstraint(
                fields=("part", "facility", "storage_location"),
                name="part_stocks_place_key",
                violation_error_message="The part already has a stock in this place.",
            ),
        ),
        migrations.AddConstraint(
            model_name="partstock",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="part_stocks_organization_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="partstock",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("storage_location")),
                name="part_stocks_storage_location_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partstock",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__range", (0, Decimal(1000000)))),
                name="part_stocks_quantity_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partstock",
            constraint=models.CheckConstraint(
                condition=models.Q(("reserved__gte", 0), ("reserved__lte", models.F("quantity"))),
                name="part_stocks_reserved_check",
            ),
        ),
        migrations.AddIndex(
            model_name="partmovement",
            index=models.Index(
                fields=["organization", "created_at"], name="idx_part_movements_created"
            ),
        ),
        migrations.AddIndex(
            model_name="partmovement",
            index=models.Index(fields=["part", "created_at"], name="idx_part_movements_part"),
        ),
        migrations.AddIndex(
            model_name="partmovement",
            index=models.Index(fields=["stock", "created_at"], name="idx_part_movements_stock"),
        ),
        migrations.AddIndex(
            model_name="partmovement",
            index=models.Index(fields=["task"], name="idx_part_movements_task"),
        ),
        migrations.AddIndex(
            model_name="partmovement",
            index=models.Index(fields=["user"], name="idx_part_movements_user"),
        ),
        migrations.AddConstraint(
            model_name="partmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["receive", "reserve", "release", "use", "return", "count"])
                ),
                name="part_movements_kind_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__range", (0, Decimal(1000000)))),
                name="part_movements_quantity_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gt", 0), ("kind", "count"), _connector="OR"),
                name="part_movements_positive_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("task__isnull", True),
                    ("kind__in", ("reserve", "release", "use", "return")),
                    _connector="OR",
                ),
                name="part_movements_task_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="partmovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "count"), _negated=True),
                    ("reason__isnull", False),
                    _connector="OR",
                ),
                name="part_movements_reason_check",
            ),
        ),
        migrations.AddIndex(
            model_name="taskpart",
            index=models.Index(fields=["organization"], name="idx_task_parts_organization"),
        ),
        migrations.AddIndex(
            model_name="taskpart",
            index=models.Index(fields=["stock"], name="idx_task_parts_stock"),
        ),
        migrations.AddConstraint(
            model_name="taskpart",
            constraint=models.UniqueConstraint(
                fields=("task", "stock"), name="task_parts_task_stock_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="taskpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("reserved__range", (0, Decimal(1000000)))),
                name="task_parts_reserved_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="taskpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("used__range", (0, Decimal(1000000)))),
                name="task_parts_used_range_check",
            ),
        ),
        run_sql(__file__, "0013_parts"),
        protect_table("parts", "maintenance.part"),
        protect_table("part_stocks", "maintenance.part_stock"),
        protect_table("part_movements", "maintenance.part_movement"),
        protect_table("task_parts", "maintenance.task_part"),
        require_own_users("part_movements", "user_id"),
    ]
