"""A request in the name of a person, for what is done when no browser waits.

The rules of who may see and do what are asked with a request: here is one without an address. What
the person may do is looked up anew with each: who has lost a role meanwhile has lost it here, too.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest


class _Silent:
    """Takes messages that nobody will read: what matters is kept in the rows of the job."""

    def add(self, *_args: Any, **_kwargs: Any) -> None:
        """Drop one."""


def request_of(user_id: int | None) -> HttpRequest:
    """Return a request of a person as of now; of nobody, if the person may not sign in."""
    user = User.objects.filter(pk=user_id or 0, is_active=True, is_staff=True).first()
    request = HttpRequest()
    request.method = "POST"
    request.user = user or AnonymousUser()
    request._messages = _Silent()  # type: ignore[attr-defined]  # noqa: SLF001  what `messages` looks for
    return request
