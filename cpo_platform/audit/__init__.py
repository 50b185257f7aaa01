"""The audit: who changed what, when and by which way, kept by the database itself.

`audited` says which tables; `triggers` puts it into the database; `acting` (in common) tells who.
"""
