"""Data of the pages, in a fixed number of queries."""
