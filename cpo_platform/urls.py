"""The addresses of the platform."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from cpo_platform.signing_in import views as signing_in
from cpo_platform.upkeep import flower, metrics, pages, readiness

handler403 = "cpo_platform.signing_in.refusals.permission_denied"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", readiness.healthz, name="healthz"),
    path("readyz", readiness.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    # Before the admin's own: it asks for a password only, as often as anybody likes.
    path("admin/login/", signing_in.admin_login),
    path("admin/password_change/", signing_in.admin_password_change),
    path("accounts/", include("cpo_platform.signing_in.urls")),
    path("admin/operations/", admin.site.admin_view(pages.operations), name="operations"),
    path("admin/flower/", admin.site.admin_view(flower.flower), name="flower"),
    path("admin/flower/tasks/datatable", admin.site.admin_view(flower.tasks)),
    path("admin/flower/<path:page>", admin.site.admin_view(flower.flower)),
    path("admin/", include("cpo_platform.workplace.urls")),
    path("admin/sites/", include("cpo_platform.sites.urls")),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch of the admin
    path("", include("roaming.urls")),
]
