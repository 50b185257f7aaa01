"""Different locations of one party at the same place: mostly one site twice, or a copied line."""

from collections.abc import Sequence

from django.db import connection

# Two parties may share a car park; and who sees one of them need not know of the other. Locations
# that are closed (each EVSE REMOVED) are replaced by new ones at the same place.
#
# Of latitudes, cells of 0.00001 degrees (1.1 m) are compared, which is a hash join; then the
# distance: 1 m is 0.000009 degrees of latitude, and more of longitude the farther from the equator.
_TWINS = """
SELECT DISTINCT one.id
FROM locations_location AS one
CROSS JOIN (VALUES (-1), (0), (1)) AS near(cell)
JOIN locations_location AS other
  ON floor(other.latitude * 100000) = floor(one.latitude * 100000) + near.cell
WHERE one.id = ANY(%s) AND other.id <> one.id
  AND lower(other.country_code) = lower(one.country_code)
  AND lower(other.party_id) = lower(one.party_id)
  AND other.evses_in_place IS NOT FALSE
  AND abs(other.latitude - one.latitude) <= 0.000009
  AND abs(other.longitude - one.longitude) * cos(radians(one.latitude::float)) <= 0.000009
"""


def with_twins(location_ids: Sequence[int]) -> frozenset[int]:
    """Return those of the locations that have another one of their party within 1 m. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_TWINS, [list(location_ids)])
        return frozenset(key for (key,) in cursor.fetchall())
