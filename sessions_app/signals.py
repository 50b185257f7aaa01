"""What sessions announce. Sent by operations only, inside their transaction; they carry ids."""

from django.dispatch import Signal

# session_id: int, now: datetime. The session was created or changed.
session_changed = Signal()
# session_id: int, now: datetime. What the station may give in this session has changed.
charging_profile_changed = Signal()
# reservation_id: int (our row), now: datetime. We, not the eMSP, have canceled a reservation.
reservation_canceled = Signal()
# cdr_id: int, now: datetime. A CDR was issued.
cdr_issued = Signal()
