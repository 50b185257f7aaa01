"""Signing in: django-allauth's, with our templates and our policy."""
