"""The database keeps `last_updated` strictly increasing, for every table that asks for it."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION refuse_stale_last_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.last_updated <= OLD.last_updated AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION '%.last_updated must increase with every change', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
TRIGGER = """
CREATE TRIGGER tariff_last_updated_increases BEFORE UPDATE ON tariffs_tariff
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
"""


class Migration(migrations.Migration):
    dependencies = [("tariffs", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION refuse_stale_last_updated();"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER tariff_last_updated_increases ON tariffs_tariff;"),
    ]
