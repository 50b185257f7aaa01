"""`manage.py ensure_staff_user`: a first user for the admin."""

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from cpo_platform import environment as env
from cpo_platform.runner import processes
from cpo_platform.runner.run import ADMIN_PASSWORD_FILE

USERNAME = "admin"


class Command(BaseCommand):
    """Make the superuser `admin` where there is none.

    ADMIN_PASSWORD is his password, at every start. Without it he gets a random one, kept in
    var/admin-password for as long as it is his.
    """

    help = "Make the superuser admin; ADMIN_PASSWORD sets the password, else it is random."

    def handle(self, **_: object) -> None:
        """Make the user, or bring his password and the file in line."""
        path: Path = settings.VAR_DIR / ADMIN_PASSWORD_FILE
        given = env.text("ADMIN_PASSWORD")
        user = User.objects.filter(username=USERNAME).first()
        if user is None:
            password = given or secrets.token_urlsafe(12)
            if not given:
                processes.write_private(path, f"{password}\n")
            User.objects.create_superuser(USERNAME, email="", password=password)
            self.stdout.write(f"Made the user {USERNAME}")
        elif given and not user.check_password(given):
            user.set_password(given)
            user.save(update_fields=["password"])
            self.stdout.write(f"Set the password of {USERNAME} to ADMIN_PASSWORD")
        if path.exists() and (given or not self._is_still_his(user, path)):
            path.unlink()

    @staticmethod
    def _is_still_his(user: User | None, path: Path) -> bool:
        return user is None or user.check_password(path.read_text().strip())
