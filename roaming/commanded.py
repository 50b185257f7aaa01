"""What partners' commands say of tokens, for stations that ask about one."""

from datetime import datetime

from django.db.models import Q

from cpo_platform.common.shapes import CdrToken, parse
from roaming.models import Command, CommandState
from sessions_app.commanded import Commanded
from sessions_app.stations import StationResult

WITH_A_TOKEN = ("START_SESSION", "RESERVE_NOW")


class CommandLog:
    """The `sessions_app.commanded.CommandedTokens` of this platform: the commands themselves."""

    def find(
        self,
        *,
        evse_id: int,
        uid: str,
        type: str,  # noqa: A002  OCPI's name
        since: datetime,
    ) -> Commanded | None:
        """Return the token of the newest such command; one for the whole location counts too."""
        command = (
            Command.objects.filter(
                Q(evse=evse_id) | Q(evse__isnull=True, location__evses=evse_id),
                Q(state=CommandState.ACCEPTED) | Q(result=StationResult.ACCEPTED.value),
                command__in=WITH_A_TOKEN,
                received_at__gte=since,
                token__uid__iexact=uid,
                token__type=type,
            )
            .order_by("-received_at")
            .first()
        )
        if command is None:
            return None
        return Commanded(
            parse(CdrToken, command.token),
            command.parameters.get("group_id", ""),
            command.authorization_reference,
        )
