"""The database keeps what OCPI says never happens to a location, an EVSE or a connector.

`last_updated` only grows; `Location.id` and `EVSE.uid` never change; an EVSE is never deleted
(OCPI 2.2.1, mod_locations: it becomes REMOVED).
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION refuse_evse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an EVSE is never deleted: set its status to REMOVED'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE FUNCTION refuse_evse_uid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.uid IS DISTINCT FROM OLD.uid OR NEW.location_id IS DISTINCT FROM OLD.location_id THEN
        RAISE EXCEPTION 'EVSE.uid and its location never change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION refuse_location_id_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.country_code, NEW.party_id, NEW.ocpi_id)
        IS DISTINCT FROM (OLD.country_code, OLD.party_id, OLD.ocpi_id) THEN
        RAISE EXCEPTION 'Location.id and its owner never change'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
"""
DROP_FUNCTIONS = """
DROP FUNCTION refuse_evse_delete();
DROP FUNCTION refuse_evse_uid_change();
DROP FUNCTION refuse_location_id_change();
"""
TRIGGERS = """
CREATE TRIGGER location_last_updated_increases BEFORE UPDATE ON locations_location
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
CREATE TRIGGER evse_last_updated_increases BEFORE UPDATE ON locations_evse
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
CREATE TRIGGER connector_last_updated_increases BEFORE UPDATE ON locations_connector
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
CREATE TRIGGER evse_never_deleted BEFORE DELETE ON locations_evse
    FOR EACH ROW EXECUTE FUNCTION refuse_evse_delete();
CREATE TRIGGER evse_uid_never_changes BEFORE UPDATE ON locations_evse
    FOR EACH ROW EXECUTE FUNCTION refuse_evse_uid_change();
CREATE TRIGGER location_id_never_changes BEFORE UPDATE ON locations_location
    FOR EACH ROW EXECUTE FUNCTION refuse_location_id_change();
"""
DROP_TRIGGERS = """
DROP TRIGGER location_last_updated_increases ON locations_location;
DROP TRIGGER evse_last_updated_increases ON locations_evse;
DROP TRIGGER connector_last_updated_increases ON locations_connector;
DROP TRIGGER evse_never_deleted ON locations_evse;
DROP TRIGGER evse_uid_never_changes ON locations_evse;
DROP TRIGGER location_id_never_changes ON locations_location;
"""


class Migration(migrations.Migration):
    dependencies = [("locations", "0001_initial"), ("tariffs", "0002_guard_last_updated")]
    operations = [
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
