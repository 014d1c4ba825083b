"""PostgreSQL with TimescaleDB, and Redis, for one checkout: found or fetched, started, stopped.

Uses the standard library; psycopg is imported only where a connection is made, Django never.
"""
