"""Stations without hardware, for the demonstration, for tests and for trying things out."""

from sessions_app.simulator.stations import SimulatedStations

__all__ = ["SimulatedStations"]
