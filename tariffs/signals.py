"""What tariffs announce. Sent by operations only, inside their transaction; they carry ids."""

from django.dispatch import Signal

# tariff_id: int, now: datetime, turned: bool. The tariff was created, changed or deleted. `turned`:
# whom it is for, or whether it holds, is another now, so that what names it may read otherwise.
tariff_changed = Signal()

# tariff_id: int, successor_id: int, now: datetime. Whatever has the tariff must get the successor,
# too, which holds from where the other ends. Receivers may refuse (`SuccessorRefused`).
tariff_superseded = Signal()
