from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import (  # noqa: TID251  of migrations, not of models
    post_migrate,
    pre_migrate,
)
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "cpo_platform.audit"
    label = "audit"
    verbose_name = _("Audit")

    def ready(self) -> None:
        # Late: the models of all apps are named here.
        from cpo_platform.audit import checks, noting
        from cpo_platform.audit.admin import history
        from cpo_platform.common.admin import register_history

        register(Tags.database)(checks.check_triggers)
        register_history(history.page, history.url, noting.note)
        pre_migrate.connect(_before, sender=self)
        post_migrate.connect(_after, sender=self)


def _before(*, plan: list[Any], using: str, **_kwargs: Any) -> None:
    """Loosen the triggers: a column that one of them names could not change its type."""
    from cpo_platform.audit import triggers

    if plan:
        triggers.loosen(using=using)


def _after(*, using: str, **kwargs: Any) -> None:
    """Bring the triggers in step with the models, and make the months that come.

    Emptying all tables (`flush`) sends this too, without a plan: there nothing has changed.
    """
    from cpo_platform.audit import retention, triggers
    from cpo_platform.common import clock

    if "plan" in kwargs:
        triggers.install(using=using)
        retention.tend(now=clock.now())
