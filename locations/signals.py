"""What locations announce. Sent by operations only, inside their transaction; they carry ids."""

from django.dispatch import Signal

# location_id: int, now: datetime. The location or anything below it was created or changed.
location_changed = Signal()
# location_ids: list[int], now: datetime. The same, of many locations at once.
locations_changed = Signal()
# group_id: int, location_ids: list[int], now: datetime. These came into the group, or left it.
group_changed = Signal()
# location_id: int, evse_id: int, now: datetime. Only the status of one EVSE changed.
evse_status_changed = Signal()
