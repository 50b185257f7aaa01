"""What statuses EVSEs had, and how long they were up; both by month.

Written by hand: Django knows no partitions. Nobody knows what was before: the history of each EVSE
begins with the status that it has now.
"""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

CREATE = """
CREATE TABLE locations_statuschange (
    evse_id bigint NOT NULL,
    at timestamptz NOT NULL,
    status varchar(11) NOT NULL,
    PRIMARY KEY (evse_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE locations_statuschange_default PARTITION OF locations_statuschange DEFAULT;
CREATE INDEX status_change_at ON locations_statuschange USING brin (at) WITH (autosummarize = on);

CREATE TABLE locations_evseuptime (
    at timestamptz NOT NULL,
    evse_id bigint NOT NULL,
    up bigint NOT NULL,
    measured bigint NOT NULL,
    status varchar(11) NOT NULL,
    PRIMARY KEY (at, evse_id)
) PARTITION BY RANGE (at);
CREATE TABLE locations_evseuptime_default PARTITION OF locations_evseuptime DEFAULT;

CREATE TABLE locations_locationuptime (
    at timestamptz NOT NULL,
    location_id bigint NOT NULL,
    up bigint NOT NULL,
    measured bigint NOT NULL,
    PRIMARY KEY (at, location_id)
) PARTITION BY RANGE (at);
CREATE TABLE locations_locationuptime_default PARTITION OF locations_locationuptime DEFAULT;

DO $$
DECLARE
    parent text;
    month date;
BEGIN
    FOR month IN
        SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date + ahead * interval '1 month'
        FROM generate_series(0, 2) ahead
    LOOP
        FOREACH parent IN ARRAY ARRAY[
            'locations_statuschange', 'locations_evseuptime', 'locations_locationuptime'
        ] LOOP
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                parent || '_p' || to_char(month, 'YYYYMM'),
                parent,
                to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00'
            );
        END LOOP;
    END LOOP;
END $$;

INSERT INTO locations_statuschange (evse_id, at, status)
SELECT id, date_trunc('milliseconds', now()), status FROM locations_evse
WHERE status <> 'REMOVED';
"""
DROP = "DROP TABLE locations_statuschange, locations_evseuptime, locations_locationuptime"

STATUSES = [
    ("AVAILABLE", "Available"),
    ("BLOCKED", "Blocked"),
    ("CHARGING", "Charging"),
    ("INOPERATIVE", "Inoperative"),
    ("OUTOFORDER", "Out of order"),
    ("PLANNED", "Planned"),
    ("REMOVED", "Removed"),
    ("RESERVED", "Reserved"),
    ("UNKNOWN", "Unknown"),
]


def of(model, label, related_name):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to=f"locations.{model}",
        verbose_name=label,
    )


class Migration(migrations.Migration):
    dependencies = [("locations", "0005_search_by_fragments")]
    operations = [
        migrations.RunSQL(
            CREATE,
            DROP,
            state_operations=[
                migrations.CreateModel(
                    name="StatusChange",
                    fields=[
                        ("pk", models.CompositePrimaryKey("evse_id", "at", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField(verbose_name="at")),
                        ("status", models.CharField(choices=STATUSES, max_length=11, verbose_name="status")),
                        ("evse", of("evse", "EVSE", "status_changes")),
                    ],
                    options={
                        "verbose_name": "change of status",
                        "verbose_name_plural": "changes of status",
                    },
                ),
                migrations.CreateModel(
                    name="EvseUptime",
                    fields=[
                        ("pk", models.CompositePrimaryKey("at", "evse_id", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField(verbose_name="at")),
                        ("up", models.BigIntegerField(verbose_name="seconds up")),
                        ("measured", models.BigIntegerField(verbose_name="seconds measured")),
                        ("status", models.CharField(choices=STATUSES, max_length=11, verbose_name="status")),
                        ("evse", of("evse", "EVSE", "uptimes")),
                    ],
                    options={
                        "verbose_name": "uptime of an EVSE",
                        "verbose_name_plural": "uptimes of EVSEs",
                    },
                ),
                migrations.CreateModel(
                    name="LocationUptime",
                    fields=[
                        ("pk", models.CompositePrimaryKey("at", "location_id", blank=True, editable=False, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField(verbose_name="at")),
                        ("up", models.BigIntegerField(verbose_name="seconds up")),
                        ("measured", models.BigIntegerField(verbose_name="seconds measured")),
                        ("location", of("location", "location", "uptimes")),
                    ],
                    options={
                        "verbose_name": "uptime of a location",
                        "verbose_name_plural": "uptimes of locations",
                    },
                ),
                migrations.AddIndex(
                    model_name="statuschange",
                    index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["at"], name="status_change_at"),
                ),
            ],
        ),
    ]
