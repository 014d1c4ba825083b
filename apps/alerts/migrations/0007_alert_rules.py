from __future__ import annotations

import uuid

import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
import urfmp.common.db.names
from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0006_alert_events"),
        ("organizations", "0009_platform_fleet"),
        ("robots", "0011_command_lifetime"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertRuleState",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("rule_version", models.PositiveIntegerField(editable=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("normal", "Normal"),
                            ("pending", "Pending"),
                            ("firing", "Firing"),
                            ("recovering", "Recovering"),
                            ("no_data", "No data"),
                            ("error", "Error"),
                        ],
                        editable=False,
                        max_length=20,
                    ),
                ),
                ("since", models.DateTimeField(editable=False)),
                ("last_sample_at", models.DateTimeField(editable=False, null=True)),
                ("value", models.FloatField(editable=False, null=True)),
                ("next_due_at", models.DateTimeField(editable=False, null=True)),
                (
                    "is_unreported",
                    models.BooleanField(db_default=False, default=False, editable=False),
                ),
                ("record", models.JSONField(editable=False)),
                ("error_message", models.TextField(db_default="", default="", editable=False)),
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
                "db_table": "alert_rule_states",
                "ordering": ("-since", "id"),
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="peak",
            field=models.FloatField(blank=True, editable=False, null=True),
        ),
        migrations.CreateModel(
            name="AlertRule",
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
                ("name", models.CharField(max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("organization", "All robots"),
                            ("facility", "Robots of a facility"),
                            ("model", "Robots of a model"),
                            ("robot", "One robot"),
                        ],
                        db_default="organization",
                        default="organization",
                        max_length=20,
                    ),
                ),
                ("facility", models.CharField(blank=True, max_length=255, null=True)),
                ("model", models.CharField(blank=True, max_length=100, null=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("metric", "Metric"),
                            ("status", "Status"),
                            ("connectivity", "Connection"),
                            ("command", "Commands"),
                            ("maintenance", "Maintenance"),
                            ("security", "Security"),
                            ("system", "System"),
                        ],
                        db_default="metric",
                        default="metric",
                        max_length=20,
                    ),
                ),
                ("condition", models.JSONField()),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        db_default="warning",
                        default="warning",
                        max_length=20,
                    ),
                ),
                (
                    "reopen_seconds",
                    models.PositiveIntegerField(
                        db_default=300,
                        default=300,
                        validators=[django.core.validators.MaxValueValidator(86400)],
                    ),
                ),
                (
                    "is_enabled",
                    models.BooleanField(db_default=True, default=True, verbose_name="enabled"),
                ),
                ("built_in", models.BooleanField(db_default=False, default=False, editable=False)),
                ("version", models.PositiveIntegerField(db_default=1, default=1, editable=False)),
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
                    "robot",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "db_table": "alert_rules",
                "ordering": ("name", "id"),
            },
        ),
        migrations.AddField(
            model_name="alert",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="alerts.alertrule",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["rule"], name="idx_alerts_rule"),
        ),
        migrations.AddField(
            model_name="alertrulestate",
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
            model_name="alertrulestate",
            name="robot",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="robots.robot",
            ),
        ),
        migrations.AddField(
            model_name="alertrulestate",
            name="rule",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="alerts.alertrule",
            ),
        ),
        migrations.AddIndex(
            model_name="alertrule",
            index=models.Index(fields=["organization"], name="idx_alert_rules_organization"),
        ),
        migrations.AddIndex(
            model_name="alertrule",
            index=models.Index(fields=["robot"], name="idx_alert_rules_robot"),
        ),
        migrations.AddIndex(
            model_name="alertrule",
            index=models.Index(fields=["facility"], name="idx_alert_rules_facility"),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("scope__in", ["organization", "facility", "model", "robot"])),
                name="alert_rules_scope_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "metric",
                            "status",
                            "connectivity",
                            "command",
                            "maintenance",
                            "security",
                            "system",
                        ],
                    )
                ),
                name="alert_rules_kind_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "error", "critical"])),
                name="alert_rules_severity_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="alert_rules_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("facility")),
                name="alert_rules_facility_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("model")),
                name="alert_rules_model_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("reopen_seconds__lte", 86400)),
                name="alert_rules_reopen_seconds_max_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("facility__isnull", True),
                        ("model__isnull", True),
                        ("robot__isnull", True),
                        ("scope", "organization"),
                    ),
                    models.Q(
                        ("facility__isnull", False),
                        ("model__isnull", True),
                        ("robot__isnull", True),
                        ("scope", "facility"),
                    ),
                    models.Q(
                        ("facility__isnull", True),
                        ("model__isnull", False),
                        ("robot__isnull", True),
                        ("scope", "model"),
                    ),
                    models.Q(
                        ("facility__isnull", True),
                        ("model__isnull", True),
                        ("robot__isnull", False),
                        ("scope", "robot"),
                    ),
                    _connector="OR",
                ),
                name="alert_rules_scope_target_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.UniqueConstraint(
                fields=("organization", "name", "facility", "model", "robot"),
                name="alert_rules_name_scope_key",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrule",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="alert_rules_organization_id_key"
            ),
        ),
        migrations.AddIndex(
            model_name="alertrulestate",
            index=models.Index(fields=["robot"], name="idx_rule_states_robot"),
        ),
        migrations.AddIndex(
            model_name="alertrulestate",
            index=models.Index(fields=["organization", "state"], name="idx_rule_states_state"),
        ),
        migrations.AddIndex(
            model_name="alertrulestate",
            index=models.Index(
                condition=models.Q(("next_due_at__isnull", False)),
                fields=["organization", "next_due_at"],
                name="idx_rule_states_due",
            ),
        ),
        migrations.AddIndex(
            model_name="alertrulestate",
            index=models.Index(
                condition=models.Q(("is_unreported", True)),
                fields=["organization"],
                name="idx_rule_states_unreported",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrulestate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["normal", "pending", "firing", "recovering", "no_data", "error"])
                ),
                name="alert_rule_states_state_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="alertrulestate",
            constraint=models.UniqueConstraint(
                fields=("rule", "robot"),
                name="alert_rule_states_rule_robot_key",
                nulls_distinct=False,
            ),
        ),
        run_sql(__file__, "0007_alert_rules"),
        protect_table("alert_rules", "alerts.alert_rule"),
    ]
