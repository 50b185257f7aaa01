"""The platform in a real browser: what staff does most, by keyboard alone.

`pytest tests/e2e` runs them (`make test` after all others), as they need servers and a browser of
their own; `python -m tests.e2e.tour` looks at every page of a platform that runs.
"""
