from tests.roaming.conftest import first

__all__ = ["first"]
