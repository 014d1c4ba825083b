from __future__ import annotations

import datetime
import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0005_own_users"),
        ("organizations", "0009_platform_fleet"),
        ("robots", "0011_command_lifetime"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertEvent",
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
                            ("opened", "Opened"),
                            ("reoccurred", "Reported again"),
                            ("severity_raised", "Severity raised"),
                            ("acknowledged", "Acknowledged"),
                            ("assigned", "Assigned"),
                            ("commented", "Comment"),
                            ("snoozed", "Snoozed"),
                            ("resolved", "Resolved"),
                            ("reopened", "Reopened"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                ("text", models.TextField(db_default="", default="", editable=False)),
                ("until", models.DateTimeField(editable=False, null=True)),
                (
                    "occurrences",
                    models.PositiveIntegerField(db_default=1, default=1, editable=False),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "alert_events",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="assigned_to",
            field=models.ForeignKey(
                blank=True,
                db_column="assigned_to",
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
            model_name="alert",
            name="snoozed_until",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                null=True,
                validators=[urfmp.common.db.fields.validate_datetime_range],
            ),
        ),
        migrations.AddField(
            model_name="alert",
            name="started_at",
            field=models.DateTimeField(
                db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["assigned_to"], name="idx_alerts_assigned"),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "snoozed_until__gte",
                        datetime.datetime(2000, 1, 1, 0, 0, tzinfo=datetime.UTC),
                    ),
                    ("snoozed_until__lt", datetime.datetime(2200, 1, 1, 0, 0, tzinfo=datetime.UTC)),
                ),
                name="alerts_snoozed_until_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="alerts_organization_id_key"
            ),
        ),
        migrations.AddField(
            model_name="alertevent",
            name="alert",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="alerts.alert",
            ),
        ),
        migrations.AddField(
            model_name="alertevent",
            name="assigned_to",
            field=models.ForeignKey(
                db_column="assigned_to",
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
            model_name="alertevent",
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
            model_name="alertevent",
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
            model_name="alertevent",
            index=models.Index(fields=["alert", "created_at"], name="idx_alert_events_alert"),
        ),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(fields=["organization"], name="idx_alert_events_organization"),
        ),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(fields=["user"], name="idx_alert_events_user"),
        ),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(fields=["assigned_to"], name="idx_alert_events_assigned"),
        ),
        migrations.AddConstraint(
            model_name="alertevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "opened",
                            "reoccurred",
                            "severity_raised",
                            "acknowledged",
                            "assigned",
                            "commented",
                            "snoozed",
                            "resolved",
                            "reopened",
                        ],
                    )
                ),
                name="alert_events_kind_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "error", "critical"])),
                name="alert_events_severity_check",
            ),
        ),
        run_sql(__file__, "0006_alert_events"),
        require_own_users("alert_events", "user_id", "assigned_to"),
    ]
