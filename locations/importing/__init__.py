"""Import locations, EVSEs, connectors and tariffs from an OCPI JSON file.

Use `import_locations`; the modules below are its parts: `reader` (the file, object by object),
`versions` (2.1.1 and 2.2.1 spellings), `mending` and `pruning` (repairs), `intake` (objects on
their way in), `tariffs` (those that hang on EVSEs), `report` (what happened), `runner` (the whole).
"""

from locations.importing.party import PartyKey
from locations.importing.reader import UnreadableFile
from locations.importing.report import Action, Entry, ImportReport, Kind, Progress
from locations.importing.runner import import_locations

__all__ = [
    "Action",
    "Entry",
    "ImportReport",
    "Kind",
    "PartyKey",
    "Progress",
    "UnreadableFile",
    "import_locations",
]
