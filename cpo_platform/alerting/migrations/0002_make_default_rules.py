from django.db import migrations


def make(apps, _schema_editor):
    from cpo_platform.alerting.operations.rules import make_defaults

    make_defaults(apps.get_model("alerting", "Rule"))


class Migration(migrations.Migration):
    dependencies = [("alerting", "0001_add_alerting")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
