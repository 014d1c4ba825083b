"""The rows of the table, one module each.

A module holds one function, `run(bench)`, which measures and returns a `Result`; the module's
name is what `make bench ONLY=` takes. Django is set up when it is called, not when it is imported.
"""
