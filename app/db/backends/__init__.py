"""One file for each database. A backend's driver is imported by its file alone, which loads when it is chosen."""
