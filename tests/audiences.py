"""For whom objects are rendered in tests."""

from roaming.ocpi.common.audience import Audience
from tests.factories import NOW

# A partner without tariffs of its own.
EVERYBODY = Audience(NOW)
