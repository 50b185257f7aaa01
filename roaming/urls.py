"""Everything that partners call."""

from django.urls import include, path

urlpatterns = [path("ocpi/", include("roaming.ocpi.urls"))]
