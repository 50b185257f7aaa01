"""The addresses of the platform."""

from django.contrib import admin
from django.urls import include, path

from cpo_platform import health
from roaming import metrics

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch of the admin
    path("", include("roaming.urls")),
]
