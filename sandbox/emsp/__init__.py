"""A small eMSP that speaks OCPI 2.2.1: a partner for demonstrations, a judge for tests."""

from sandbox.emsp.client import PeerError
from sandbox.emsp.config import Settings
from sandbox.emsp.emsp import Emsp, running_emsp
from sandbox.emsp.registration import RegistrationError

__all__ = ["Emsp", "PeerError", "RegistrationError", "Settings", "running_emsp"]
