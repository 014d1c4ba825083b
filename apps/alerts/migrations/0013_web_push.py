from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import urfmp.common.db.fields
from urfmp.db.operations import protect_table, run_sql


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0012_undone_acknowledgements"),
        ("organizations", "0010_floor_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PushKey",
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
                ("private_key", models.TextField(editable=False)),
                ("public_key", models.CharField(editable=False, max_length=100)),
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
                "db_table": "push_keys",
            },
        ),
        migrations.CreateModel(
            name="PushSubscription",
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
                ("endpoint", models.TextField(editable=False)),
                ("endpoint_digest", models.CharField(editable=False, max_length=64)),
                ("service", models.CharField(editable=False, max_length=255)),
                ("browser_key", models.CharField(editable=False, max_length=100)),
                ("auth_secret", models.TextField(editable=False)),
                ("label", models.CharField(editable=False, max_length=100)),
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
                "db_table": "push_subscriptions",
                "ordering": ("created_at", "id"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="notificationchannel",
            name="notification_channels_kind_check",
        ),
        migrations.AlterField(
            model_name="notificationchannel",
            name="kind",
            field=models.CharField(
                choices=[
                    ("email", "E-mail"),
                    ("webhook", "Webhook"),
                    ("alertmanager", "Alertmanager"),
                    ("web_push", "Push to browsers"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="notificationchannel",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["email", "webhook", "alertmanager", "web_push"])),
                name="notification_channels_kind_check",
            ),
        ),
        migrations.AddField(
            model_name="pushkey",
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
            model_name="pushsubscription",
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
            model_name="pushsubscription",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="alerts.pushsubscription",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["subscription"], name="idx_deliveries_subscription"),
        ),
        migrations.AddConstraint(
            model_name="pushkey",
            constraint=models.UniqueConstraint(
                fields=("organization",), name="push_keys_organization_key"
            ),
        ),
        migrations.AddIndex(
            model_name="pushsubscription",
            index=models.Index(fields=["user"], name="idx_push_subscriptions_user"),
        ),
        migrations.AddConstraint(
            model_name="pushsubscription",
            constraint=models.UniqueConstraint(
                fields=("organization", "endpoint_digest"), name="push_subscriptions_endpoint_key"
            ),
        ),
        run_sql(__file__, "0013_web_push"),
        protect_table("push_keys", "alerts.push_key", secret=("private_key",)),
        protect_table(
            "push_subscriptions", "alerts.push_subscription", secret=("endpoint", "auth_secret")
        ),
    ]
