"""The numbers of the change feed: drawn by the sequencer, never twice."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("roaming", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "CREATE SEQUENCE roaming_change_sequence;", "DROP SEQUENCE roaming_change_sequence;"
        )
    ]
