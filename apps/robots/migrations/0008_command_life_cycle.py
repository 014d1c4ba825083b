from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from urfmp.db.operations import require_own_users, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0021_own_users"),
        ("organizations", "0009_platform_fleet"),
        ("robots", "0007_presence"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="robot",
            name="lease_expires_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robot",
            name="lease_user",
            field=models.ForeignKey(
                blank=True,
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
            model_name="robotcommand",
            name="acknowledged_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="answer_due_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="api_key",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="accounts.apikey",
            ),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="approval_due_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
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
            model_name="robotcommand",
            name="cancelled_by",
            field=models.ForeignKey(
                blank=True,
                db_column="cancelled_by",
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
            model_name="robotcommand",
            name="expires_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="settled_by",
            field=models.ForeignKey(
                blank=True,
                db_column="settled_by",
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
            model_name="robotcommand",
            name="latch_due_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="progress",
            field=models.SmallIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="progress_text",
            field=models.TextField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="sent_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="version",
            field=models.PositiveIntegerField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name="robotcommand",
            name="lane",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(then=0, type="emergency_stop"),
                    models.When(priority="critical", then=1),
                    models.When(priority="high", then=2),
                    models.When(priority="low", then=4),
                    default=3,
                ),
                output_field=models.SmallIntegerField(),
            ),
        ),
        run_sql(__file__, "0008_existing_commands"),
        migrations.AlterField(
            model_name="robotcommand",
            name="expires_at",
            field=models.DateTimeField(editable=False),
        ),
        migrations.AddIndex(
            model_name="robot",
            index=models.Index(fields=["lease_user"], name="idx_robots_lease_user"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["api_key"], name="idx_commands_api_key"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["approved_by"], name="idx_commands_approved_by"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["cancelled_by"], name="idx_commands_cancelled_by"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["settled_by"], name="idx_commands_settled_by"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(fields=["robot", "-created_at"], name="idx_commands_robot_created"),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(
                condition=models.Q(("status", "pending")),
                fields=["robot", "lane", "scheduled_at", "created_at"],
                name="idx_commands_pending",
            ),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(
                condition=models.Q(("status__in", ("pending", "pending_approval"))),
                fields=["organization", "expires_at"],
                name="idx_commands_expiry",
            ),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(
                condition=models.Q(("status__in", ("sent", "acknowledged", "executing"))),
                fields=["organization", "answer_due_at"],
                name="idx_commands_answer_due",
            ),
        ),
        migrations.AddIndex(
            model_name="robotcommand",
            index=models.Index(
                condition=models.Q(("latch_due_at__isnull", False)),
                fields=["robot"],
                name="idx_commands_latch_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotcommand",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress__gte", 0), ("progress__lte", 100)),
                name="robot_commands_progress_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="robotcommand",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("status__in", ("sent", "acknowledged", "executing", "unknown")),
                    (
                        "type__in",
                        [
                            "calibrate",
                            "move_to_position",
                            "resume",
                            "run_program",
                            "set_speed",
                            "start",
                        ],
                    ),
                ),
                fields=("robot",),
                name="robot_commands_one_motion",
            ),
        ),
        run_sql(__file__, "0008_command_life_cycle"),
        require_own_users("robot_commands", "user_id", "approved_by", "cancelled_by", "settled_by"),
        require_own_users("robots", "lease_user_id"),
    ]
