"""Maintenance pages: the calendar and its moves."""
