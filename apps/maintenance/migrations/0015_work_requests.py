from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
import urfmp.common.db.names
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0014_checklists"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RobotLabel",
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
                ("token", models.TextField(editable=False)),
                ("token_digest", models.CharField(editable=False, max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organizations.organization",
                    ),
                ),
                (
                    "robot",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "db_table": "robot_labels",
                "indexes": [
                    models.Index(fields=["organization"], name="idx_robot_labels_organization")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("robot",), name="robot_labels_robot_key"),
                    models.UniqueConstraint(
                        fields=("token_digest",), name="robot_labels_digest_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WorkRequest",
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
                ("title", models.CharField(max_length=200, verbose_name="problem")),
                ("description", models.TextField(blank=True, db_default="", default="")),
                (
                    "requester_name",
                    models.CharField(
                        blank=True, max_length=100, null=True, verbose_name="reported by"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting for review"),
                            ("accepted", "Accepted"),
                            ("dismissed", "Dismissed"),
                        ],
                        db_default="waiting",
                        default="waiting",
                        editable=False,
                        max_length=20,
                    ),
                ),
                ("reviewed_at", models.DateTimeField(editable=False, null=True)),
                ("reason", models.TextField(db_default="", default="", editable=False)),
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
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="organizations.organization",
                    ),
                ),
                (
                    "reviewed_by",
                    models.ForeignKey(
                        db_column="reviewed_by",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "robot",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="maintenance.maintenancetask",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "work request",
                "db_table": "work_requests",
                "ordering": ("-created_at", "-id"),
                "indexes": [
                    models.Index(
                        fields=["organization", "created_at"], name="idx_work_requests_created"
                    ),
                    models.Index(
                        condition=models.Q(("status", "waiting")),
                        fields=["organization", "robot"],
                        name="idx_work_requests_waiting",
                    ),
                    models.Index(fields=["robot"], name="idx_work_requests_robot"),
                    models.Index(fields=["task"], name="idx_work_requests_task"),
                    models.Index(fields=["user"], name="idx_work_requests_user"),
                    models.Index(fields=["reviewed_by"], name="idx_work_requests_reviewer"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["waiting", "accepted", "dismissed"])),
                        name="work_requests_status_check",
                    ),
                    models.CheckConstraint(
                        condition=urfmp.common.db.names.IsName(models.F("title")),
                        name="work_requests_title_form_check",
                    ),
                    models.CheckConstraint(
                        condition=urfmp.common.db.names.IsName(models.F("requester_name")),
                        name="work_requests_requester_name_form_check",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("reviewed_at__isnull", True), ("status", "waiting")),
                            models.Q(
                                models.Q(("status", "waiting"), _negated=True),
                                ("reviewed_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="work_requests_review_check",
                    ),
                ],
            },
        ),
        run_sql(__file__, "0015_work_requests"),
        protect_table("robot_labels", "maintenance.robot_label", secret=("token", "token_digest")),
        protect_table("work_requests", "maintenance.work_request"),
        require_own_users("work_requests", "user_id", "reviewed_by"),
    ]
