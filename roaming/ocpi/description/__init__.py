"""What we serve, described for partners: OpenAPI 3.1 per OCPI version, and pages to read it.

`operations` is the table of what may be called, `components` the objects, `generator` makes
drf-spectacular write both down, and `views` shows it. Nothing here answers an OCPI request.
"""
