"""Reads of the maintenance pages."""
