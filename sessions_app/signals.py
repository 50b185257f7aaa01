"""What sessions announce. Sent by operations only, inside their transaction; they carry ids."""

from django.dispatch import Signal

# session_id: int, now: datetime. The session was created or changed.
session_changed = Signal()
# cdr_id: int, now: datetime. A CDR was issued.
cdr_issued = Signal()
