"""The people who work here: what they may do (roles), and with which rows (scopes)."""
