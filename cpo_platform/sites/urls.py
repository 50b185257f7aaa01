"""The addresses of the pages about sites, below the admin's own."""

from django.contrib import admin
from django.urls import path

from cpo_platform.sites import availability_pages

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
]
