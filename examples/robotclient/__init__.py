"""A robot's side of the API. A leaf: the standard library alone, nothing of Django."""
