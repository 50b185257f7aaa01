"""The same application for ASGI servers; it is several times slower there than under WSGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")

application = get_asgi_application()
