"""Roles and scopes, as people read them."""

from django.contrib.auth.models import Group, User
from django.utils.html import format_html
from django.utils.translation import gettext

from cpo_platform.staff.models import StaffScope
from cpo_platform.staff.roles import BY_KEY, Role

SHOWN = 4


def role_of(group: Group) -> Role | None:
    """Return the role that a group stands for; None for one that staff made."""
    row = getattr(group, "role", None)
    return BY_KEY.get(row.key) if row is not None else None


def group_name(group: Group) -> str:
    """Return what people call a group: a role by its name in their language."""
    role = role_of(group)
    return group.name if role is None else str(role.name)


def about_id(role: Role) -> str:
    """Return the id of the words that say what a role is for."""
    return f"role-{role.key}"


def group_choice(group: Group) -> str:
    """Return a group as it is chosen: a role with what it is for, which is not part of its name."""
    role = role_of(group)
    if role is None:
        return group.name
    return format_html(
        '{}<span class="cpo-role" id="{}" aria-hidden="true">{}</span>',
        *(str(role.name), about_id(role), str(role.about)),
    )


def scope_text(user: User) -> str:
    """Say which rows a person sees; read the scope and its parts before, for a list."""
    row: StaffScope | None = getattr(user, "staff_scope", None)
    if row is None or row.everything:
        return gettext("everything")
    parties = [f"{party.country_code}*{party.party_id}" for party in row.parties.all()]
    names = [*parties, *(group.name for group in row.location_groups.all())]
    more = "" if len(names) <= SHOWN else f" +{len(names) - SHOWN}"
    return ", ".join(names[:SHOWN]) + more if names else gettext("nothing")
