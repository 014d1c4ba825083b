"""Convert uploaded floor plans to pictures that are safe to serve.

The parsers of picture formats are the largest attack surface of an upload. They run in a process of
their own (`program`), with limits of memory and time, and without the database or its password.
Its modules import neither Django nor the platform's configuration.
"""
