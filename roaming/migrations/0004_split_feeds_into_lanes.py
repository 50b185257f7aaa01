"""Lanes, walks, paces; a feed per partner becomes one per partner and lane, at the same position."""

import django.db.models.deletion
from django.db import migrations, models

import roaming.models.feed

OTHER_LANES = """
INSERT INTO roaming_feed (
    partner_id, lane, position, lease_key, failures, last_error
)
SELECT partner_id, other.lane, position, '', 0, ''
FROM roaming_feed CROSS JOIN (VALUES ('CHARGING'), ('RESULTS')) AS other (lane)
"""
LANES_OF_CHANGES = """
UPDATE roaming_change SET lane = CASE
    WHEN module IN ('commands', 'profileresults', 'chargingprofiles') THEN 'RESULTS'
    WHEN module IN ('sessions', 'cdrs') THEN 'CHARGING'
    ELSE 'NETWORK' END
"""


class Migration(migrations.Migration):
    dependencies = [("roaming", "0003_add_versions_hubs_and_profiles")]
    operations = [
        migrations.CreateModel(
            name="Pace",
            fields=[
                (
                    "partner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="roaming.partner",
                    ),
                ),
                ("taken_until", models.DateTimeField()),
            ],
            options={
                "verbose_name": "pace",
                "verbose_name_plural": "paces",
            },
        ),
        migrations.CreateModel(
            name="Walk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("REGISTERED", "First push after the registration"),
                            ("EVERYTHING", "Everything sent again by staff"),
                            ("WINDOW", "What changed in a time window, sent again by staff"),
                            ("ABSENCE", "What it missed while it was suspended"),
                            ("TOO_OLD", "It was away for longer than changes are kept"),
                            ("VERSION", "It changed its OCPI version"),
                            ("ACCESS", "What it may see was changed"),
                        ],
                        max_length=10,
                        verbose_name="reason",
                    ),
                ),
                ("total", models.PositiveIntegerField(default=0, verbose_name="objects")),
                ("started_at", models.DateTimeField(
                        db_default=roaming.models.feed.ClockTime(), verbose_name="started"
                    )),
            ],
            options={
                "verbose_name": "walk",
                "verbose_name_plural": "walks",
            },
        ),
        migrations.AddField(
            model_name="change",
            name="evse_id",
            field=models.BigIntegerField(
                default=0,
                help_text="Of a location: only the status of this EVSE changed. 0: the object.",
            ),
        ),
        migrations.AddField(
            model_name="change",
            name="lane",
            field=models.CharField(
                choices=[
                    ("NETWORK", "locations and tariffs"),
                    ("CHARGING", "sessions and CDRs"),
                    ("RESULTS", "results of commands and charging profiles"),
                ],
                default="NETWORK",
                max_length=8,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="delivery",
            name="due_at",
            field=models.DateTimeField(
                blank=True, help_text="There is news of it that may wait until then.", null=True
            ),
        ),
        migrations.AddField(
            model_name="feed",
            name="endpoints_read_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When we last read its endpoints since one was not there.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="feed",
            name="lane",
            field=models.CharField(
                choices=[
                    ("NETWORK", "locations and tariffs"),
                    ("CHARGING", "sessions and CDRs"),
                    ("RESULTS", "results of commands and charging profiles"),
                ],
                default="NETWORK",
                max_length=8,
                verbose_name="lane",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="feed",
            name="paused_at",
            field=models.DateTimeField(
                blank=True,
                help_text="By staff: nothing is sent until it goes on.",
                null=True,
                verbose_name="paused",
            ),
        ),
        migrations.AddField(
            model_name="feed",
            name="unauthorized_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Nothing is sent but one request an hour, until the partner takes it again.",
                null=True,
                verbose_name="our token is refused since",
            ),
        ),
        migrations.AlterField(
            model_name="change",
            name="created_at",
            field=models.DateTimeField(db_default=roaming.models.feed.ClockTime()),
        ),
        migrations.AlterField(
            model_name="feed",
            name="partner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="feeds",
                to="roaming.partner",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)),
                fields=["due_at"],
                name="delivery_due",
            ),
        ),
        migrations.RunSQL(LANES_OF_CHANGES, migrations.RunSQL.noop),
        migrations.RunSQL(OTHER_LANES, "DELETE FROM roaming_feed WHERE lane <> 'NETWORK'"),
        migrations.AddConstraint(
            model_name="feed",
            constraint=models.UniqueConstraint(fields=("partner", "lane"), name="feed_identity"),
        ),
        migrations.AddField(
            model_name="walk",
            name="partner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="walks",
                to="roaming.partner",
            ),
        ),
        migrations.AddField(
            model_name="change",
            name="walk",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                to="roaming.walk",
            ),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["lane", "sequence"], name="change_lane_sequence"),
        ),
    ]
