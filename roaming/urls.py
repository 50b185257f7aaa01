"""Everything that partners call, and what there is to read about it."""

from django.urls import include, path

urlpatterns = [
    path("ocpi/", include("roaming.ocpi.urls")),
    path("ocpi-docs/", include("roaming.ocpi.description.urls")),
]
