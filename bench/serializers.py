"""The same rows as most would serve them: a view of DRF with model serializers, prefetched.

It runs with the platform's settings; only its URLs are its own.
"""

import os
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cpo_platform.settings")
settings.ROOT_URLCONF = __name__
application = get_wsgi_application()

from django.urls import path  # noqa: E402  the apps must be ready
from rest_framework import serializers  # noqa: E402
from rest_framework.generics import ListAPIView  # noqa: E402
from rest_framework.pagination import LimitOffsetPagination  # noqa: E402
from rest_framework.renderers import JSONRenderer  # noqa: E402

from locations.models import Connector, Evse, Location  # noqa: E402


class _ConnectorSerializer(serializers.ModelSerializer[Connector]):
    tariff_ids: Any = serializers.SlugRelatedField(
        source="tariffs", slug_field="ocpi_id", many=True, read_only=True
    )

    class Meta:
        model = Connector
        exclude = ("evse", "tariffs")


class _EvseSerializer(serializers.ModelSerializer[Evse]):
    connectors = _ConnectorSerializer(many=True)

    class Meta:
        model = Evse
        exclude = ("location",)


class _LocationSerializer(serializers.ModelSerializer[Location]):
    evses = _EvseSerializer(many=True)

    class Meta:
        model = Location
        fields = "__all__"


class _Pages(LimitOffsetPagination):
    max_limit = 100


class LocationsView(ListAPIView[Location]):
    """One page of locations."""

    permission_classes = []
    renderer_classes = [JSONRenderer]
    pagination_class = _Pages
    serializer_class = _LocationSerializer
    queryset = Location.objects.prefetch_related("evses__connectors__tariffs").order_by("id")


urlpatterns = [path("locations", LocationsView.as_view())]
