from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0009_task_life_cycle"),
        ("organizations", "0010_floor_plans"),
        ("robots", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LabourEntry",
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
                ("started_at", models.DateTimeField(editable=False)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "db_table": "maintenance_labour_entries",
                "ordering": ("started_at", "id"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="taskevent",
            name="maintenance_task_events_kind_check",
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="cause_code",
            field=models.CharField(
                blank=True,
                choices=[
                    ("wear", "Wear"),
                    ("lubrication", "Lack of lubrication"),
                    ("contamination", "Dirt or moisture"),
                    ("overload", "Overload"),
                    ("collision", "Collision"),
                    ("settings", "Wrong settings or calibration"),
                    ("operation", "Wrong operation"),
                    ("defective_part", "Defective part"),
                    ("earlier_work", "Earlier work"),
                    ("supply", "Power, air or network"),
                    ("other", "Other"),
                    ("unknown", "Unknown"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=30,
            ),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="failure_code",
            field=models.CharField(
                blank=True,
                choices=[
                    ("mechanical", "Mechanical"),
                    ("drive", "Motor, drive or gearbox"),
                    ("electrical", "Electrical"),
                    ("cable", "Cable or connector"),
                    ("sensor", "Sensor"),
                    ("tool", "Tool or gripper"),
                    ("battery", "Battery or charging"),
                    ("pneumatic", "Pneumatic or hydraulic"),
                    ("controller", "Controller"),
                    ("software", "Software or program"),
                    ("communication", "Communication"),
                    ("safety", "Safety equipment"),
                    ("other", "Other"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=30,
            ),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="has_manual_duration",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="locks_robot",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="While the work is in progress, the robot is locked for maintenance.",
                verbose_name="lock the robot",
            ),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="remedy_code",
            field=models.CharField(
                blank=True,
                choices=[
                    ("replaced", "Replaced"),
                    ("repaired", "Repaired"),
                    ("adjusted", "Adjusted or calibrated"),
                    ("cleaned", "Cleaned"),
                    ("lubricated", "Lubricated"),
                    ("tightened", "Tightened"),
                    ("restarted", "Restarted"),
                    ("updated", "Software updated or restored"),
                    ("no_fault_found", "No fault found"),
                    ("other", "Other"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=30,
            ),
        ),
        migrations.AddField(
            model_name="maintenancetask",
            name="robot_locked_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="taskevent",
            name="kind",
            field=models.CharField(
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
                    ("joined", "Joined the work"),
                    ("left", "Left the work"),
                    ("duration_corrected", "Duration corrected"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "failure_code__in",
                        [
                            "",
                            "mechanical",
                            "drive",
                            "electrical",
                            "cable",
                            "sensor",
                            "tool",
                            "battery",
                            "pneumatic",
                            "controller",
                            "software",
                            "communication",
                            "safety",
                            "other",
                        ],
                    )
                ),
                name="maintenance_tasks_failure_code_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "cause_code__in",
                        [
                            "",
                            "wear",
                            "lubrication",
                            "contamination",
                            "overload",
                            "collision",
                            "settings",
                            "operation",
                            "defective_part",
                            "earlier_work",
                            "supply",
                            "other",
                            "unknown",
                        ],
                    )
                ),
                name="maintenance_tasks_cause_code_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="maintenancetask",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "remedy_code__in",
                        [
                            "",
                            "replaced",
                            "repaired",
                            "adjusted",
                            "cleaned",
                            "lubricated",
                            "tightened",
                            "restarted",
                            "updated",
                            "no_fault_found",
                            "other",
                        ],
                    )
                ),
                name="maintenance_tasks_remedy_code_check",
            ),
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
                            "joined",
                            "left",
                            "duration_corrected",
                        ],
                    )
                ),
                name="maintenance_task_events_kind_check",
            ),
        ),
        migrations.AddField(
            model_name="labourentry",
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
            model_name="labourentry",
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
            model_name="labourentry",
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
            model_name="labourentry",
            index=models.Index(fields=["task", "started_at"], name="idx_labour_task"),
        ),
        migrations.AddIndex(
            model_name="labourentry",
            index=models.Index(fields=["organization"], name="idx_labour_organization"),
        ),
        migrations.AddIndex(
            model_name="labourentry",
            index=models.Index(fields=["user"], name="idx_labour_user"),
        ),
        migrations.AddConstraint(
            model_name="labourentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("ended_at__gte", models.F("started_at"))),
                name="maintenance_labour_entries_ended_at_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="labourentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("task", "user"),
                name="maintenance_labour_entries_one_running_key",
                nulls_distinct=False,
            ),
        ),
        run_sql(__file__, "0010_labour"),
        protect_table("maintenance_labour_entries", "maintenance.labour_entry"),
        require_own_users("maintenance_labour_entries", "user_id"),
    ]
