"""The addresses of the workplace, below the admin's own."""

from django.contrib import admin
from django.urls import path

from cpo_platform.workplace import views

app_name = "workplace"
urlpatterns = [
    path("home/parts/", admin.site.admin_view(views.home_parts), name="home_parts"),
    path("map/", admin.site.admin_view(views.map_page), name="map"),
    path("map/points/", admin.site.admin_view(views.map_points), name="map_points"),
    path("map/<int:location_id>/", admin.site.admin_view(views.map_site), name="map_site"),
    path("search/", admin.site.admin_view(views.search), name="search"),
]
