"""A small eMSP that speaks OCPI 2.1.1, 2.2.1 and 2.3.0: a partner to try, a judge for tests."""

from sandbox.emsp.client import PeerError
from sandbox.emsp.config import Settings
from sandbox.emsp.emsp import Emsp, running_emsp
from sandbox.emsp.registration import RegistrationError

__all__ = ["Emsp", "PeerError", "RegistrationError", "Settings", "running_emsp"]
