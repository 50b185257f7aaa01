"""Where the description is read."""

from django.urls import path

from roaming.ocpi.description import views

urlpatterns = [
    path("", views.page, name="ocpi-docs"),
    path("<str:number>/", views.page, name="ocpi-docs-version"),
    path("ocpi-<str:number>.yaml", views.download, name="ocpi-docs-download"),
]
