from __future__ import annotations

import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0008_schedules"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskEvent",
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
                            ("started", "Started"),
                            ("held", "Put on hold"),
                            ("resumed", "Resumed"),
                            ("submitted", "Finished, waits for approval"),
                            ("approved", "Approved"),
                            ("sent_back", "Sent back"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("reopened", "Reopened"),
                            ("overdue", "Overdue"),
                            ("commented", "Commented"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                ("text", models.TextField(db_default="", default="", editable=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "maintenance_task_events",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="approved_by",
            field=models.ForeignKey(
                blank=True,
                db_column="approved_by",
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
            model_name="maintenancetask",
            name="finished_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="finished_by",
            field=models.ForeignKey(
                blank=True,
                db_column="finished_by",
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
            model_name="maintenancetask",
            name="hold_reason",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddIndex(
            model_name="maintenancetask",
            index=models.Index(fields=["finished_by"], name="idx_maintenance_finished_by"),
        ),
        migrations.AddIndex(
            model_name="maintenancetask",
            index=models.Index(fields=["approved_by"], name="idx_maintenance_approved_by"),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="maintenance_tasks_organization_id_key"
            ),
        ),
        migrations.AddField(
            model_name="taskevent",
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
            model_name="taskevent",
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
        migrations.AddField(
            model_name="taskevent",
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
        migrations.AddIndex(
            model_name="taskevent",
            index=models.Index(fields=["task", "created_at"], name="idx_task_events_task"),
        ),
        migrations.AddIndex(
            model_name="taskevent",
            index=models.Index(fields=["organization"], name="idx_task_events_organization"),
        ),
        migrations.AddIndex(
            model_name="taskevent",
            index=models.Index(fields=["user"], name="idx_task_events_user"),
        ),
        migrations.AddConstraint(
            model_name="taskevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "started",
                            "held",
                            "resumed",
                            "submitted",
                            "approved",
                            "sent_back",
                            "completed",
                            "cancelled",
                            "reopened",
                            "overdue",
                            "commented",
                        ],
                    )
                ),
                name="maintenance_task_events_kind_check",
            ),
        ),
        run_sql(__file__, "0009_task_life_cycle"),
        require_own_users("maintenance_task_events", "user_id"),
    ]
