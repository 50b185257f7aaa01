"""Chargers that speak OCPP: what they say is kept first, answered second, understood third."""
