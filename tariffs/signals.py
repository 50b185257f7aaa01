"""What tariffs announce. Sent by operations only, inside their transaction; they carry ids."""

from django.dispatch import Signal

# tariff_id: int, now: datetime. The tariff was created, changed or deleted.
tariff_changed = Signal()
