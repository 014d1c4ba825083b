"""Robot side of the API, using only the standard library."""
