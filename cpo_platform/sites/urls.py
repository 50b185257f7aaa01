"""The addresses of the pages about sites, below the admin's own."""

from django.contrib import admin
from django.urls import path

from cpo_platform.sites import availability_pages, quality_pages

app_name = "sites"
urlpatterns = [
    path(
        "availability/",
        admin.site.admin_view(availability_pages.availability_page),
        name="availability",
    ),
    path(
        "availability/<str:what>.csv",
        admin.site.admin_view(availability_pages.availability_csv),
        name="availability_csv",
    ),
    path("quality/", admin.site.admin_view(quality_pages.quality_page), name="quality"),
    path("quality/again/", admin.site.admin_view(quality_pages.look_again), name="quality_again"),
    path("quality.csv", admin.site.admin_view(quality_pages.quality_csv), name="quality_csv"),
]
