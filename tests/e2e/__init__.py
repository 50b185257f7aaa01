"""The platform in a real browser: what staff does most, by keyboard alone.

`make e2e` runs them alone; they need a Chromium, and are skipped where there is none. `python -m
tests.e2e.tour` looks at every page of a platform that runs.
"""
