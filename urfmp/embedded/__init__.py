"""Run PostgreSQL with TimescaleDB, Redis and Caddy for one checkout.

Caddy runs in the demo only, in front of the product's servers.

The programs come from the system or are fetched as Debian packages. The package uses the standard
library; psycopg is imported only where a connection is opened, Django never.

Subpackages: `system` (folders, files, ports and processes), `programs` (find or fetch the
executables), `servers` (start and stop PostgreSQL and Redis), `demo` (`make demo`).
"""
