"""The addresses of the platform."""

from django.contrib import admin
from django.urls import include, path

from cpo_platform.upkeep import metrics, readiness

urlpatterns = [
    path("healthz", readiness.healthz, name="healthz"),
    path("readyz", readiness.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch of the admin
    path("", include("roaming.urls")),
]
