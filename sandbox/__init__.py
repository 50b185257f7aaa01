"""Peers of the platform that share no code with it: they only speak OCPI over the wire."""
