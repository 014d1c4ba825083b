from __future__ import annotations

import datetime
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
        ("maintenance", "0007_own_users"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0013_expired_commands"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MaintenanceScheduleState",
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
                ("due_at", models.DateTimeField(editable=False, null=True)),
                ("last_due_at", models.DateTimeField(editable=False, null=True)),
                ("last_closed_at", models.DateTimeField(editable=False, null=True)),
                (
                    "counted_from",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
                    ),
                ),
                (
                    "carried_seconds",
                    models.BigIntegerField(db_default=0, default=0, editable=False),
                ),
                (
                    "running_seconds",
                    models.BigIntegerField(db_default=0, default=0, editable=False),
                ),
                (
                    "check_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(),
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=urfmp.common.db.fields.TransactionTimestamp(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "maintenance_schedule_states",
                "ordering": (models.OrderBy(models.F("due_at"), nulls_last=True), "id"),
            },
        ),
        migrations.CreateModel(
            name="MaintenanceSchedule",
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
                ("title", models.CharField(max_length=255)),
                ("description", models.TextField(blank=True, null=True)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("preventive", "Preventive"),
                            ("corrective", "Corrective"),
                            ("predictive", "Predictive"),
                            ("condition_based", "Condition-based"),
                            ("emergency", "Emergency"),
                            ("calibration", "Calibration"),
                            ("inspection", "Inspection"),
                            ("cleaning", "Cleaning"),
                            ("lubrication", "Lubrication"),
                            ("replacement", "Replacement"),
                            ("upgrade", "Upgrade"),
                            ("custom", "Custom"),
                        ],
                        db_default="preventive",
                        default="preventive",
                        max_length=50,
                    ),
                ),
                (
                    "priority",
                    models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("critical", "Critical"),
                        ],
                        db_default="medium",
                        default="medium",
                        max_length=20,
                    ),
                ),
                (
                    "estimated_duration",
                    models.IntegerField(
                        blank=True,
                        help_text="Minutes.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                ("vendor", models.CharField(blank=True, max_length=50, null=True)),
                (
                    "model",
                    models.CharField(
                        blank=True,
                        help_text="With the vendor: all robots of this model that are in service.",
                        max_length=100,
                        null=True,
                    ),
                ),
                (
                    "frequency",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("daily", "Days"),
                            ("weekly", "Weeks"),
                            ("monthly", "Months"),
                            ("yearly", "Years"),
                        ],
                        max_length=10,
                        null=True,
                    ),
                ),
                (
                    "interval",
                    models.PositiveIntegerField(
                        db_default=1,
                        default=1,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "weekdays",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("monday", "Monday"),
                                ("tuesday", "Tuesday"),
                                ("wednesday", "Wednesday"),
                                ("thursday", "Thursday"),
                                ("friday", "Friday"),
                                ("saturday", "Saturday"),
                                ("sunday", "Sunday"),
                            ],
                            max_length=9,
                        ),
                        blank=True,
                        db_default=[],
                        default=list,
                        help_text="For weeks only. Leave blank for the weekday of the start.",
                        size=None,
                    ),
                ),
                (
                    "month_day",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="For months only; shorter months use their last day.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(31),
                        ],
                        verbose_name="day of the month",
                    ),
                ),
                (
                    "starts_on",
                    models.DateField(blank=True, help_text="First day of the calendar.", null=True),
                ),
                (
                    "time_of_day",
                    models.TimeField(
                        db_default=datetime.time(8, 0),
                        default=datetime.time(8, 0),
                        help_text="Local time of the robot's facility.",
                    ),
                ),
                (
                    "calendar_anchor",
                    models.CharField(
                        choices=[
                            ("fixed", "The planned date, whenever the work is done"),
                            ("floating", "The day on which the work is done"),
                        ],
                        db_default="fixed",
                        default="fixed",
                        max_length=10,
                        verbose_name="calendar counts from",
                    ),
                ),
                (
                    "running_hours",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Hours in the status Running, from the status history.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(100000),
                        ],
                    ),
                ),
                (
                    "running_hours_anchor",
                    models.CharField(
                        choices=[
                            ("fixed", "The planned date, whenever the work is done"),
                            ("floating", "The day on which the work is done"),
                        ],
                        db_default="floating",
                        default="floating",
                        max_length=10,
                        verbose_name="running hours count from",
                    ),
                ),
                (
                    "lead_days",
                    models.PositiveIntegerField(
                        db_default=7,
                        default=7,
                        help_text="A task opens this long before its date. When the running hours are reached, it opens at once and is due after this time.",
                        validators=[django.core.validators.MaxValueValidator(365)],
                        verbose_name="lead time, days",
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
                (
                    "assigned_to",
                    models.ForeignKey(
                        blank=True,
                        db_column="assigned_to",
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        db_column="created_by",
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                        help_text="Leave blank for all robots of a model.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="robots.robot",
                    ),
                ),
            ],
            options={
                "db_table": "maintenance_schedules",
                "ordering": ("title", "id"),
            },
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="schedule",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="maintenance.maintenanceschedule",
            ),
        ),
        migrations.AddIndex(
            model_name="maintenancetask",
            index=models.Index(
                fields=["schedule"],
                name="idx_maintenance_schedule",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("schedule__isnull", True), ("robot__isnull", False), _connector="OR"
                ),
                name="maintenance_tasks_schedule_robot_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("schedule__isnull", False),
                    models.Q(
                        ("status__isnull", True),
                        (
                            "status__in",
                            (
                                "scheduled",
                                "pending",
                                "in_progress",
                                "on_hold",
                                "requires_approval",
                                "overdue",
                            ),
                        ),
                        _connector="OR",
                    ),
                ),
                fields=("schedule", "robot"),
                name="maintenance_tasks_one_open_key",
            ),
        ),
        migrations.AddField(
            model_name="maintenanceschedulestate",
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
            model_name="maintenanceschedulestate",
            name="robot",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="robots.robot",
            ),
        ),
        migrations.AddField(
            model_name="maintenanceschedulestate",
            name="schedule",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="maintenance.maintenanceschedule",
            ),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedule",
            index=models.Index(fields=["organization", "title"], name="idx_schedules_organization"),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedule",
            index=models.Index(fields=["robot"], name="idx_schedules_robot"),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedule",
            index=models.Index(fields=["assigned_to"], name="idx_schedules_assigned"),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedule",
            index=models.Index(fields=["created_by"], name="idx_schedules_created_by"),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.UniqueConstraint(
                fields=("organization", "id"), name="maintenance_schedules_organization_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsName(models.F("title")),
                name="maintenance_schedules_title_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("vendor")),
                name="maintenance_schedules_vendor_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=urfmp.common.db.names.IsIdentifier(models.F("model")),
                name="maintenance_schedules_model_form_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "type__in",
                        [
                            "preventive",
                            "corrective",
                            "predictive",
                            "condition_based",
                            "emergency",
                            "calibration",
                            "inspection",
                            "cleaning",
                            "lubrication",
                            "replacement",
                            "upgrade",
                            "custom",
                        ],
                    )
                ),
                name="maintenance_schedules_type_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", ["low", "medium", "high", "critical"])),
                name="maintenance_schedules_priority_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("frequency__in", ["daily", "weekly", "monthly", "yearly"])),
                name="maintenance_schedules_frequency_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("calendar_anchor__in", ["fixed", "floating"])),
                name="maintenance_schedules_calendar_anchor_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("running_hours_anchor__in", ["fixed", "floating"])),
                name="maintenance_schedules_running_hours_anchor_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "weekdays__contained_by",
                        [
                            "monday",
                            "tuesday",
                            "wednesday",
                            "thursday",
                            "friday",
                            "saturday",
                            "sunday",
                        ],
                    )
                ),
                name="maintenance_schedules_weekdays_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("interval__gte", 1),
                    models.Q(
                        ("frequency__isnull", True),
                        models.Q(("frequency", "daily"), ("interval__lte", 3660)),
                        models.Q(("frequency", "weekly"), ("interval__lte", 520)),
                        models.Q(("frequency", "monthly"), ("interval__lte", 120)),
                        models.Q(("frequency", "yearly"), ("interval__lte", 10)),
                        _connector="OR",
                    ),
                ),
                name="maintenance_schedules_interval_range_check",
                violation_error_message="The interval must be ten years at most.",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("month_day__range", (1, 31))),
                name="maintenance_schedules_month_day_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("running_hours__range", (1, 100000))),
                name="maintenance_schedules_running_hours_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(("lead_days__range", (0, 365))),
                name="maintenance_schedules_lead_days_range_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("starts_on__gte", "2000-01-01"), ("starts_on__lt", "2100-01-01")
                ),
                name="maintenance_schedules_starts_on_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("model__isnull", True), ("robot__isnull", False), ("vendor__isnull", True)
                    ),
                    models.Q(
                        ("model__isnull", False), ("robot__isnull", True), ("vendor__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="maintenance_schedules_target_check",
                violation_error_message="Select a robot, or enter a vendor and a model.",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("frequency__isnull", False), ("starts_on__isnull", False)),
                    models.Q(
                        ("frequency__isnull", True),
                        ("running_hours__isnull", False),
                        ("starts_on__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="maintenance_schedules_legs_check",
                violation_error_message="Set the calendar, the running hours, or both.",
            ),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedulestate",
            index=models.Index(
                fields=["organization", "check_at"],
                name="idx_schedule_states_check",
            ),
        ),
        migrations.AddIndex(
            model_name="maintenanceschedulestate",
            index=models.Index(fields=["robot"], name="idx_schedule_states_robot"),
        ),
        migrations.AddConstraint(
            model_name="maintenanceschedulestate",
            constraint=models.UniqueConstraint(
                fields=("schedule", "robot"), name="maintenance_schedule_states_robot_key"
            ),
        ),
        run_sql(__file__, "0008_schedules"),
        protect_table("maintenance_schedules", "maintenance.maintenance_schedule"),
        # The planner moves these with every check; the tasks that it opens are audited.
        protect_table(
            "maintenance_schedule_states",
            "maintenance.maintenance_schedule_state",
            ignored=("due_at", "check_at", "running_seconds"),
        ),
        require_own_users("maintenance_schedules", "assigned_to", "created_by"),
    ]
