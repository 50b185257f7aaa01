"""Kept sentences, in the language of whoever reads them now."""

from django.utils.translation import gettext

from cpo_platform.common.saying import Saying


def tell(saying: Saying) -> str:
    """Return a kept sentence in the present language."""
    # gettext("") is the catalogue's own header.
    told = gettext(saying.text) if saying.text else ""
    # What has no values is as it stands: it may hold a % of its own.
    return told % {name: _value(value) for name, value in saying.values} if saying.values else told


def _value(value: str | Saying) -> str:
    return tell(value) if isinstance(value, Saying) else value
