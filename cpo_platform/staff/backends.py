"""Who is signed in, with the scope: one query for both."""

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.models import User


class StaffBackend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """allauth's, which reads a person's scope with the person."""

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session, if the account may still be used."""
        user = User.objects.select_related("staff_scope").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None
