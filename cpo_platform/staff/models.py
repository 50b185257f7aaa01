"""Roles as groups, and the scopes of people."""

from django.contrib.auth.models import Group, User
from django.db import models
from django.utils.translation import gettext_lazy as _

from locations.models import LocationGroup
from tariffs.models import Party


class RoleGroup(models.Model):
    """The group that stands for a role of the table: its name may be anything, its key may not."""

    key = models.CharField(_("role"), max_length=40, unique=True)
    group = models.OneToOneField(
        Group, on_delete=models.CASCADE, related_name="role", verbose_name=_("group")
    )

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")

    def __str__(self) -> str:
        return self.key


class StaffScope(models.Model):
    """Which rows a person sees; whoever has none sees everything.

    Of the parties, and of the location groups where there are any; of groups alone, of the parties
    that their locations belong to. Neither: nothing.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, related_name="staff_scope", verbose_name=_("user")
    )
    everything = models.BooleanField(_("sees everything"), default=True)
    parties = models.ManyToManyField(Party, related_name="+", blank=True, verbose_name=_("parties"))
    location_groups = models.ManyToManyField(
        LocationGroup, related_name="+", blank=True, verbose_name=_("location groups")
    )

    class Meta:
        verbose_name = _("scope")
        verbose_name_plural = _("scopes")
        permissions = [("view_operations", "Can see how the platform itself is doing")]

    def __str__(self) -> str:
        return str(self.user)
