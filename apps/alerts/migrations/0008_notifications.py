from __future__ import annotations

import uuid

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
import urfmp.common.db.names
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0007_alert_rules"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0011_command_lifetime"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationChannel",
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
                    "kind",
                    models.CharField(
                        choices=[("email", "E-mail"), ("webhook", "Webhook")],
                        max_length=20,
                    ),
                ),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        blank=True, db_default="", default="", max_length=2000, verbose_name="URL"
                    ),
                ),
                (
                    "allowed_networks",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "signing_secret",
                    models.TextField(blank=True, db_default="", default="", editable=False),
                ),
                (
                    "previous_secret",
                    models.TextField(blank=True, db_default="", default="", editable=False),
                ),
                (
                    "previous_secret_expires_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "is_enabled",
                    models.BooleanField(db_default=True, default=True, verbose_name="enabled"),
                ),
                (
                    "disabled_reason",
                    models.TextField(blank=True, db_default="", default="", editable=False),
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
            ],
            options={
                "verbose_name": "channel",
                "db_table": "notification_channels",
                "ordering": ("name", "id"),
            },
        ),
        migrations.CreateModel(
            name="NotificationPreference",
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
                    "min_severity",
                    models.CharField(
                        choices=[
                            ("info", "Info"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                            ("critical", "Critical"),
                        ],
                        db_default="info",
                        default="info",
                        max_length=20,
                    ),
                ),
                ("quiet_from", models.TimeField(blank=True, null=True)),
                ("quiet_until", models.TimeField(blank=True, null=True)),
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
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "notification_preferences",
            },
        ),
        migrations.CreateModel(
            name="NotificationRoute",
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
                    "position",
                    models.PositiveIntegerField(
                        db_default=100,
                        default=100,
                        help_text="Routes are tried in this order, lowest first.",
                    ),
                ),
                (
                    "severities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "hours",
                    models.CharField(
                        choices=[
                            ("always", "Always"),
                            ("working", "During working hours"),
                            ("off", "Outside working hours"),
                        ],
                        db_default="always",
                        default="always",
                        help_text="By the organization's working hours, in the timezone of the robot's facility.",
                        max_length=20,
                    ),
                ),
                (
                    "continues",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Whether routes after this one are tried as well.",
                        verbose_name="try further routes",
                    ),
                ),
                (
                    "group_wait_seconds",
                    models.PositiveIntegerField(
                        db_default=30,
                        default=30,
                        help_text="An e-mail waits this long for further alerts of the facility. Critical alerts do not wait.",
                        validators=[django.core.validators.MaxValueValidator(3600)],
                        verbose_name="collect for, seconds",
                    ),
                ),
                (
                    "group_interval_seconds",
                    models.PositiveIntegerField(
                        db_default=300,
                        default=300,
                        help_text="Time between two e-mails about a facility to a recipient.",
                        validators=[django.core.validators.MaxValueValidator(3600)],
                        verbose_name="at most one e-mail in, seconds",
                    ),
                ),
                (
                    "repeat_minutes",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Reminders are sent until the alert is acknowledged. Leave blank for none.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(10080),
                        ],
                        verbose_name="repeat after, minutes",
                    ),
                ),
                (
                    "is_enabled",
                    models.BooleanField(db_default=True, default=True, verbose_name="enabled"),
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
                (
                    "facility",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="organizations.facility",
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
            ],
            options={
                "verbose_name": "route",
                "db_table": "notification_routes",
                "ordering": ("position", "name", "id"),
            },
        ),
        migrations.CreateModel(
            name="Delivery",
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
                    "notice",
                    models.CharField(
                        choices=[
                            ("opened", "Opened"),
                            ("worsened", "More severe"),
                            ("escalated", "Escalated"),
                            ("repeated", "Not acknowledged"),
                            ("acknowledged", "Acknowledged"),
                            ("resolved", "Resolved"),
                            ("test", "Test"),
                        ],
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
                        max_length=20,
                    ),
                ),
                (
                    "lane",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(models.When(severity="critical", then=0), default=1),
                        output_field=models.SmallIntegerField(),
                    ),
                ),
                (
                    "address",
                    models.CharField(blank=True, db_default="", default="", max_length=255),
                ),
                (
                    "group_key",
                    models.CharField(blank=True, db_default="", default="", max_length=500),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("sending", "Sending"),
                            ("delivered", "Delivered"),
                            ("failed", "Failed, retried later"),
                            ("dead", "Dead letter"),
                            ("cancelled", "Cancelled"),
                        ],
                        db_default="queued",
                        default="queued",
                        max_length=20,
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(db_default=urfmp.common.db.fields.TransactionTimestamp()),
                ),
                ("attempts", models.PositiveIntegerField(db_default=0, default=0)),
                ("unfinished_attempts", models.PositiveIntegerField(db_default=0, default=0)),
                ("rejected_attempts", models.PositiveIntegerField(db_default=0, default=0)),
                ("lease_id", models.UUIDField(blank=True, null=True)),
                ("batch_id", models.UUIDField(blank=True, null=True)),
                ("held_reason", models.TextField(blank=True, db_default="", default="")),
                ("response_code", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "latency_ms",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="latency, ms"),
                ),
                ("last_error", models.TextField(blank=True, db_default="", default="")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
                    ),
                ),
                ("first_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "alert",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="alerts.alert",
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
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "channel",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="alerts.notificationchannel",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="alerts.notificationroute",
                    ),
                ),
            ],
            options={
                "db_table": "notification_deliveries",
                "ordering": ("-created_at", "id"),
            },
        ),
        migrations.CreateModel(
            name="NotificationStep",
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
                    "after_minutes",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        validators=[django.core.validators.MaxValueValidator(10080)],
                    ),
                ),
                (
                    "channel",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="steps",
                        to="alerts.notificationchannel",
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
                    "route",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="steps",
                        to="alerts.notificationroute",
                    ),
                ),
            ],
            options={
                "db_table": "notification_steps",
                "ordering": ("after_minutes", "id"),
            },
        ),
        migrations.CreateModel(
            name="Silence",
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
                    "severities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        blank=True,
                        db_default=models.Value(
                            [],
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), size=None
                            ),
                        ),
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "starts_at",
                    models.DateTimeField(
                        validators=[urfmp.common.db.fields.validate_datetime_range],
                        verbose_name="start",
                    ),
                ),
                (
                    "ends_at",
                    models.DateTimeField(
                        validators=[urfmp.common.db.fields.validate_datetime_range],
                        verbose_name="end",
                    ),
                ),
                (
                    "reason",
                    models.TextField(
                        max_length=1000, validators=[urfmp.common.db.names.validate_visible]
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
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_column="created_by",
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
                    "facility",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="organizations.facility",
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
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "verbose_name": "silence",
                "db_table": "notification_silences",
                "ordering": ("-ends_at", "id"),
            },
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.UniqueConstraint(
                fields=("organization", "name"), name="notification_channels_name_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["email", "webhook"])),
                name="notification_channels_kind_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="notification_channels_name_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "webhook"), _negated=True),
                    models.Q(
                        models.Q(("url", ""), _negated=True),
                        models.Q(("signing_secret", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="notification_channels_webhook_check",
            ),
        ),
        migrations.AddIndex(
            model_name="notificationpreference",
            index=models.Index(fields=["organization"], name="idx_preferences_owner"),
        ),
        migrations.AddConstraint(
            model_name="notificationpreference",
            constraint=models.UniqueConstraint(
                fields=("user",), name="notification_preferences_user_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationpreference",
            constraint=models.CheckConstraint(
                condition=models.Q(("min_severity__in", ["info", "warning", "error", "critical"])),
                name="notification_preferences_min_severity_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationpreference",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quiet_from__isnull", True), ("quiet_until__isnull", True)),
                    models.Q(("quiet_from__isnull", False), ("quiet_until__isnull", False)),
                    _connector="OR",
                ),
                name="notification_preferences_quiet_check",
                violation_error_message="Enter both the start and the end of the quiet hours.",
            ),
        ),
        migrations.AddIndex(
            model_name="notificationroute",
            index=models.Index(fields=["facility"], name="idx_notification_routes_place"),
        ),
        migrations.AddConstraint(
            model_name="notificationroute",
            constraint=models.UniqueConstraint(
                fields=("organization", "name"), name="notification_routes_name_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationroute",
            constraint=models.CheckConstraint(
                condition=models.Q(("hours__in", ["always", "working", "off"])),
                name="notification_routes_hours_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationroute",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("name")),
                name="notification_routes_name_form_check",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ("queued", "sending", "failed"))),
                fields=["organization", "lane", "due_at"],
                name="idx_deliveries_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["organization", "group_key", "ended_at"], name="idx_deliveries_group"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["organization", "-created_at"], name="idx_deliveries_created"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["channel", "-created_at"], name="idx_deliveries_channel"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["alert"], name="idx_deliveries_alert"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["route"], name="idx_deliveries_route"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["user"], name="idx_deliveries_user"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["batch_id"], name="idx_deliveries_batch"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "notice__in",
                        [
                            "opened",
                            "worsened",
                            "escalated",
                            "repeated",
                            "acknowledged",
                            "resolved",
                            "test",
                        ],
                    )
                ),
                name="notification_deliveries_notice_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "error", "critical"])),
                name="notification_deliveries_severity_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["queued", "sending", "delivered", "failed", "dead", "cancelled"])
                ),
                name="notification_deliveries_state_check",
            ),
        ),
        migrations.AddIndex(
            model_name="notificationstep",
            index=models.Index(fields=["channel"], name="idx_notification_steps_channel"),
        ),
        migrations.AddIndex(
            model_name="notificationstep",
            index=models.Index(fields=["organization"], name="idx_notification_steps_owner"),
        ),
        migrations.AddConstraint(
            model_name="notificationstep",
            constraint=models.UniqueConstraint(
                fields=("route", "after_minutes", "channel"), name="notification_steps_key"
            ),
        ),
        migrations.AddIndex(
            model_name="silence",
            index=models.Index(fields=["organization", "ends_at"], name="idx_silences_ends"),
        ),
        migrations.AddIndex(
            model_name="silence",
            index=models.Index(fields=["facility"], name="idx_silences_facility"),
        ),
        migrations.AddIndex(
            model_name="silence",
            index=models.Index(fields=["robot"], name="idx_silences_robot"),
        ),
        migrations.AddIndex(
            model_name="silence",
            index=models.Index(fields=["created_by"], name="idx_silences_author"),
        ),
        migrations.AddConstraint(
            model_name="silence",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))),
                name="notification_silences_period_check",
                violation_error_message="The end must be after the start.",
            ),
        ),
        run_sql(__file__, "0008_notifications"),
        protect_table(
            "notification_channels",
            "alerts.channel",
            secret=("signing_secret", "previous_secret"),
        ),
        protect_table("notification_routes", "alerts.route"),
        protect_table("notification_steps", "alerts.route_step"),
        protect_table("notification_silences", "alerts.silence"),
        protect_table("notification_preferences", "alerts.preference"),
        require_own_users("notification_silences", "created_by"),
    ]
