"""The audit, by month; entries can be changed or deleted by nobody.

Written by hand: Django knows neither partitions nor a key in the database that is not the model's.
The triggers that write it are made after `migrate`, from the models (`cpo_platform.audit.triggers`).
TRUNCATE is refused too, unless the connection says `cpo.allow_truncate=on`, as for CDRs. Rows that
wait in the default partition may go to their month (`cpo_platform.common.partitions`).
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

CREATE_ENTRIES = """
CREATE SEQUENCE audit_entry_id_seq AS bigint;
CREATE TABLE audit_entry (
    id bigint NOT NULL DEFAULT nextval('audit_entry_id_seq'),
    at timestamptz NOT NULL,
    table_name varchar(63) NOT NULL,
    key text NOT NULL,
    objects text[] NOT NULL,
    action varchar(6) NOT NULL,
    before jsonb,
    after jsonb,
    "row" jsonb NOT NULL,
    actor_id bigint,
    actor_name varchar(150) NOT NULL,
    way varchar(10) NOT NULL,
    what text NOT NULL,
    request_id varchar(64) NOT NULL,
    transaction_id bigint NOT NULL,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE audit_entry_id_seq OWNED BY audit_entry.id;
CREATE TABLE audit_entry_default PARTITION OF audit_entry DEFAULT;
"""
GUARD_ENTRIES = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('cpo.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit_entry_default'
        AND current_setting('cpo.moving_partitions', true) = 'on'
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit is immutable: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_immutable BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_never_truncated BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(
            CREATE_ENTRIES,
            "DROP TABLE audit_entry",
            state_operations=[
                migrations.CreateModel(
                    name='Entry',
                    fields=[
                        ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                        ('at', models.DateTimeField(verbose_name='at')),
                        ('table', models.CharField(db_column='table_name', max_length=63, verbose_name='table')),
                        ('key', models.TextField(verbose_name='key')),
                        ('objects_changed', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), db_column='objects', size=None)),
                        ('action', models.CharField(choices=[('insert', 'created'), ('update', 'changed'), ('delete', 'deleted'), ('act', 'acted')], max_length=6, verbose_name='action')),
                        ('before', models.JSONField(null=True, verbose_name='before')),
                        ('after', models.JSONField(null=True, verbose_name='after')),
                        ('row', models.JSONField(verbose_name='row')),
                        ('actor_name', models.CharField(max_length=150, verbose_name='Who')),
                        ('way', models.CharField(choices=[('admin', 'these pages'), ('import', 'import'), ('ocpi', 'OCPI'), ('ocpp', 'OCPP'), ('task', 'background task'), ('command', 'command line'), ('', 'SQL, or unknown')], max_length=10, verbose_name='way')),
                        ('what', models.TextField(verbose_name='address, task or command')),
                        ('request_id', models.CharField(max_length=64, verbose_name='request')),
                        ('transaction_id', models.BigIntegerField(verbose_name='transaction')),
                        ('actor', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='person')),
                    ],
                    options={
                        'verbose_name': 'audit entry',
                        'verbose_name_plural': 'audit entries',
                        'default_permissions': ('view',),
                    },
                ),
            ],
        ),
        migrations.AddIndex(model_name='entry', index=models.Index(fields=['at', 'id'], name='audit_newest')),
        migrations.AddIndex(model_name='entry', index=models.Index(fields=['actor_name', 'at', 'id'], name='audit_of_person')),
        migrations.AddIndex(model_name='entry', index=models.Index(fields=['table', 'key', 'at', 'id'], name='audit_of_row')),
        migrations.AddIndex(model_name='entry', index=django.contrib.postgres.indexes.GinIndex(fields=['objects_changed'], name='audit_of_object')),
        migrations.AddIndex(model_name='entry', index=models.Index(fields=['transaction_id'], name='audit_of_transaction')),
        migrations.RunSQL(GUARD_ENTRIES, "DROP FUNCTION refuse_audit_change() CASCADE"),
    ]
