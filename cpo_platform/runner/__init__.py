"""`make run`: the embedded PostgreSQL and Valkey, and the supervisor of the Procfile's processes.

Nothing in here imports the settings. `bootstrap` runs on any Python 3. It, `install`, `launch`,
`keeper` and what they import need the standard library only: the virtual environment may not exist
yet, and the keepers should stay small.
"""
