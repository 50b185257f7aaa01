"""Where staff works: the home page, the map, and the search of everything. No tables."""
