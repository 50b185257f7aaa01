"""The web process: granian serves `application`."""

import os

from django.core.wsgi import get_wsgi_application

from cpo_platform.upkeep import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")

tracing.start("web")
application = get_wsgi_application()
