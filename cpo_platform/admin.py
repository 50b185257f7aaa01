"""The admin as a whole: what its home page is called. People are in `cpo_platform.staff`."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

admin.site.index_title = _("Overview")
