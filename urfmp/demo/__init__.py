"""The demo fleet: its definition, its past week, and the loader."""
