"""Each location knows whether it has EVSEs, and whether any is in place: lists are counted by that.

The database keeps the column itself, since an EVSE is what decides. It is no change of the location
to partners, so `last_updated` need not move with it.
"""

from django.db import migrations, models

FUNCTIONS = """
CREATE FUNCTION evses_in_place_of(location bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT bool_or(status <> 'REMOVED') FROM locations_evse WHERE location_id = location
$$;
CREATE FUNCTION keep_evses_in_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.evses_in_place := evses_in_place_of(NEW.id);
    RETURN NEW;
END $$;
CREATE FUNCTION tell_location_of_evse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    in_place boolean := evses_in_place_of(NEW.location_id);
BEGIN
    UPDATE locations_location SET evses_in_place = in_place
        WHERE id = NEW.location_id AND evses_in_place IS DISTINCT FROM in_place;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_stale_location() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    OLD.evses_in_place := NEW.evses_in_place;
    IF NEW.last_updated <= OLD.last_updated AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION '%.last_updated must increase with every change', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
DROP_FUNCTIONS = """
DROP FUNCTION refuse_stale_location();
DROP FUNCTION tell_location_of_evse();
DROP FUNCTION keep_evses_in_place();
DROP FUNCTION evses_in_place_of(bigint);
"""
# Triggers of one kind fire by name: the column is right before `last_updated` is judged.
TRIGGERS = """
DROP TRIGGER location_last_updated_increases ON locations_location;
UPDATE locations_location SET evses_in_place = evses_in_place_of(id);
CREATE TRIGGER location_last_updated_increases BEFORE UPDATE ON locations_location
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_location();
CREATE TRIGGER location_evses_in_place BEFORE UPDATE ON locations_location
    FOR EACH ROW WHEN (NEW.evses_in_place IS DISTINCT FROM OLD.evses_in_place)
    EXECUTE FUNCTION keep_evses_in_place();
CREATE TRIGGER location_evses_in_place_at_first BEFORE INSERT ON locations_location
    FOR EACH ROW EXECUTE FUNCTION keep_evses_in_place();
CREATE TRIGGER evse_in_place AFTER INSERT OR UPDATE OF status ON locations_evse
    FOR EACH ROW EXECUTE FUNCTION tell_location_of_evse();
"""
DROP_TRIGGERS = """
DROP TRIGGER evse_in_place ON locations_evse;
DROP TRIGGER location_evses_in_place_at_first ON locations_location;
DROP TRIGGER location_evses_in_place ON locations_location;
DROP TRIGGER location_last_updated_increases ON locations_location;
CREATE TRIGGER location_last_updated_increases BEFORE UPDATE ON locations_location
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
"""


class Migration(migrations.Migration):
    dependencies = [("locations", "0003_add_location_groups")]
    operations = [
        migrations.AddField(
            "location",
            "evses_in_place",
            models.BooleanField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
