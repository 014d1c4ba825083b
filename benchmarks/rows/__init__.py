"""Rows of the table, one module each.

A module has one function, `run(bench)`, which measures and returns a `Result`. Its name is the
value of `make bench ONLY=`. Django is set up when `run` is called, not when the module is imported.
"""
