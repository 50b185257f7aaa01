"""CDRs can be changed or deleted by nobody; a session's `last_updated` only grows.

TRUNCATE is refused too, unless the connection says `cpo.allow_truncate=on`: the test suite does,
to empty its own database.
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION refuse_cdr_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('cpo.allow_truncate', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'a CDR is immutable: % is refused; issue a credit CDR instead', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
DROP_FUNCTIONS = "DROP FUNCTION refuse_cdr_change();"
TRIGGERS = """
CREATE TRIGGER cdr_immutable BEFORE UPDATE OR DELETE ON sessions_app_cdr
    FOR EACH ROW EXECUTE FUNCTION refuse_cdr_change();
CREATE TRIGGER cdr_never_truncated BEFORE TRUNCATE ON sessions_app_cdr
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_cdr_change();
CREATE TRIGGER session_last_updated_increases BEFORE UPDATE ON sessions_app_session
    FOR EACH ROW EXECUTE FUNCTION refuse_stale_last_updated();
"""
DROP_TRIGGERS = """
DROP TRIGGER cdr_immutable ON sessions_app_cdr;
DROP TRIGGER cdr_never_truncated ON sessions_app_cdr;
DROP TRIGGER session_last_updated_increases ON sessions_app_session;
"""


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial"), ("tariffs", "0002_guard_last_updated")]
    operations = [
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(TRIGGERS, DROP_TRIGGERS),
    ]
