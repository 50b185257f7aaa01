"""What is written of staff: the groups of the roles, and scopes."""

from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q, QuerySet

from cpo_platform.staff.models import RoleGroup, StaffScope
from cpo_platform.staff.roles import OPERATOR_ADMIN, ROLES, Role


class UnknownRole(Exception):
    """There is no such role."""


@transaction.atomic
def keep_roles(*, using: str = "default") -> None:
    """Bring the groups of the roles in step with the table; leave groups of staff alone."""
    known = _permissions(using)
    groups = {row.key: row.group for row in RoleGroup.objects.using(using).select_related("group")}
    has: dict[int, set[int]] = {group.pk: set() for group in groups.values()}
    pairs = Group.permissions.through.objects.using(using).filter(group_id__in=list(has))
    for group_id, permission_id in pairs.values_list("group_id", "permission_id"):
        has[group_id].add(permission_id)
    for role in ROLES:
        group = groups.get(role.key) or _make_group(role, using)
        wanted = {known[name] for name in role.permissions}
        if has.get(group.pk, set()) != wanted:
            group.permissions.set(wanted)


def _permissions(using: str) -> dict[str, int]:
    """Return all permissions; those of apps that migrate after this one are made here."""
    wanted = {name for role in ROLES for name in role.permissions}
    known = _known(using)
    missing = {name.partition(".")[0] for name in wanted - known.keys()}
    for label in sorted(missing):
        create_permissions(apps.get_app_config(label), verbosity=0, using=using)
    return _known(using) if missing else known


def _known(using: str) -> dict[str, int]:
    rows = Permission.objects.using(using).values_list("content_type__app_label", "codename", "pk")
    return {f"{app}.{codename}": pk for app, codename, pk in rows}


def _make_group(role: Role, using: str) -> Group:
    """Make the group of a role; one of that name that staff made stays as it is."""
    name = str(role.key.replace("_", " ").capitalize())
    taken = Group.objects.using(using).filter(name=name).exists()
    group = Group.objects.using(using).create(name=f"{name} (role)" if taken else name)
    RoleGroup.objects.using(using).create(key=role.key, group=group)
    return group


@transaction.atomic
def set_roles(*, user_id: int, roles: Iterable[str]) -> None:
    """Give a person these roles, and no others; groups that are no role stay.

    Raises:
        UnknownRole: there is none of this key.

    """
    wanted = set(roles)
    rows = RoleGroup.objects.filter(key__in=wanted)
    found = {row.key: row.group_id for row in rows}
    if missing := wanted - found.keys():
        raise UnknownRole(f"role: {', '.join(sorted(missing))}")
    user = User.objects.get(pk=user_id)
    others = user.groups.filter(role__isnull=True)
    user.groups.set([*found.values(), *others.values_list("pk", flat=True)])


@transaction.atomic
def set_scope(
    *, user_id: int, everything: bool, party_ids: Iterable[int] = (), group_ids: Iterable[int] = ()
) -> StaffScope:
    """Say which rows a person sees: everything, or those of parties and of location groups."""
    row, _made = StaffScope.objects.update_or_create(
        user_id=user_id, defaults={"everything": everything}
    )
    row.parties.set([] if everything else party_ids)
    row.location_groups.set([] if everything else group_ids)
    return row


def operator_admins() -> QuerySet[User]:
    """Return who can manage all of staff: operator admins, and superusers, who see everything."""
    sees_all = Q(staff_scope__isnull=True) | Q(staff_scope__everything=True)
    is_admin = Q(is_superuser=True) | Q(groups__role__key=OPERATOR_ADMIN)
    return User.objects.filter(sees_all, is_admin, is_active=True, is_staff=True).distinct()
