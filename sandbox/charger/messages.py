"""What a charger says of its own accord, whatever its version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sandbox.charger.outlet import Card, Ending, Outlet, Reservation, Sample, Transaction
from sandbox.charger.wire import Json


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of a card: AuthorizationStatus, and the group that it belongs to."""

    status: str
    group: str = ""


Judged = Callable[[Info], None]


class Messages(Protocol):
    """What a charger tells, in the words of its version. Nothing here waits."""

    def boot_payload(self, reason: str) -> Json:
        """Return the payload of BootNotification, for a reason of 2.0.1."""

    def authorize_payload(self, card: Card) -> Json:
        """Return the payload of Authorize."""

    def info(self, answer: Json) -> Info | None:
        """Return what an answer says of a card; None: nothing."""

    def status(self, outlet: Outlet) -> str:
        """Return the status of an outlet."""

    def tell_status(self, outlet: Outlet) -> None:
        """Send the status of an outlet."""

    def tell_station(self) -> None:
        """Send the status of the station, where the version has such."""

    def started(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Tell of a start; `judged` hears what the CSMS says of the card."""

    def authorized(
        self, outlet: Outlet, transaction: Transaction, trigger: str, judged: Judged
    ) -> None:
        """Tell that a card came to a transaction which had none."""

    def state_changed(self, outlet: Outlet, transaction: Transaction) -> None:
        """Tell of another charging state, where the version does so in messages of its own."""

    def sampled(
        self, outlet: Outlet, transaction: Transaction | None, sample: Sample, trigger: str
    ) -> None:
        """Tell what the meter shows."""

    def ended(
        self,
        outlet: Outlet,
        transaction: Transaction,
        ending: Ending,
        sample: Sample,
        card: Card | None,
    ) -> None:
        """Tell of an end; `card` is what it was ended with."""

    def reservation_ended(self, reservation: Reservation, status: str) -> None:
        """Tell that a reservation is Expired or Removed, where the version does so."""

    def firmware_status(self, status: str, request_id: int | None) -> None:
        """Tell how an update goes on."""

    def log_status(self, status: str, request_id: int | None) -> None:
        """Tell how an upload goes on."""

    def sign_certificate(self) -> None:
        """Ask for a certificate."""
