"""What the admin of every app shares: pages that save by one operation, and pages that only show.

A page that saves builds a shape from its form and hands it to one operation. What the operation
refuses becomes an error of the form, and nothing has changed. A page that shows is a list of
panels; an app adds panels to pages of the apps below it with `register_panel`.
"""

from cpo_platform.common.admin.display import (
    NONE,
    address,
    change_url,
    duration,
    link,
    link_to,
    minute,
    moment,
    money,
    number,
    pill,
    pretty_body,
    unbroken,
)
from cpo_platform.common.admin.energy import green_field, mix_document, mix_values, sources_field
from cpo_platform.common.admin.filters import VisibleFilter
from cpo_platform.common.admin.forms import (
    Findings,
    FormSet,
    OperationForm,
    PartFormSet,
    PartsForm,
    Refusals,
    Refused,
)
from cpo_platform.common.admin.histories import register_history
from cpo_platform.common.admin.list_pages import (
    ListColumn,
    ListPages,
    register_list_column,
    register_list_pages,
)
from cpo_platform.common.admin.lists import known_filter
from cpo_platform.common.admin.mistakes import Mistake, mistakes_of
from cpo_platform.common.admin.pages import Admin, RecordAdmin
from cpo_platform.common.admin.panels import (
    Button,
    Panel,
    PanelProvider,
    notes_of,
    panels_of,
    register_note,
    register_panel,
    status_chips,
)
from cpo_platform.common.admin.saving import OperationAdmin
from cpo_platform.common.admin.scopes import (
    Scope,
    Way,
    is_visible,
    may,
    register_scope,
    scope_of,
    visible,
)
from cpo_platform.common.admin.searching import SearchedAdmin, SpanSearch
from cpo_platform.common.admin.stories import Event, register_story, story_of, story_panel
from cpo_platform.common.admin.warnings import Rules, Warned, register_rules

__all__ = [
    "NONE",
    "Admin",
    "Button",
    "Event",
    "Findings",
    "FormSet",
    "ListColumn",
    "ListPages",
    "Mistake",
    "OperationAdmin",
    "OperationForm",
    "Panel",
    "PanelProvider",
    "PartFormSet",
    "PartsForm",
    "RecordAdmin",
    "Refusals",
    "Refused",
    "Rules",
    "Scope",
    "SearchedAdmin",
    "SpanSearch",
    "VisibleFilter",
    "Warned",
    "Way",
    "address",
    "change_url",
    "duration",
    "green_field",
    "is_visible",
    "known_filter",
    "link",
    "link_to",
    "may",
    "minute",
    "mistakes_of",
    "mix_document",
    "mix_values",
    "moment",
    "money",
    "notes_of",
    "number",
    "panels_of",
    "pill",
    "pretty_body",
    "register_history",
    "register_list_column",
    "register_list_pages",
    "register_note",
    "register_panel",
    "register_rules",
    "register_scope",
    "register_story",
    "scope_of",
    "sources_field",
    "status_chips",
    "story_of",
    "story_panel",
    "unbroken",
    "visible",
]
