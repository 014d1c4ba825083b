"""Import robots from a file: upload, check, start, run.

The check applies every row as the import does, and rolls it back. The import itself commits its
rows in batches, or all of them in one transaction.
"""
