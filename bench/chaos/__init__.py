"""Chaos: whatever is killed, the partners end up with what we have, and nothing twice."""
