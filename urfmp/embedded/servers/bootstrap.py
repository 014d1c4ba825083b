"""Create roles, database and extension in a running cluster.

Every step is idempotent, so it can be repeated after any interruption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from urfmp.embedded.servers.cluster import Cluster
from urfmp.embedded.servers.credentials import Credentials
from urfmp.embedded.servers.postgres import connect

if TYPE_CHECKING:
    import psycopg

DATABASE = "urfmp"
OWNER = "urfmp"
RUNTIME = "urfmp_app"
_ROLE_OPTIONS = {
    OWNER: "LOGIN CREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    RUNTIME: "LOGIN NOCREATEDB NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS",
}


def bootstrap(cluster: Cluster, credentials: Credentials) -> None:
    """Create missing roles, the database and its TimescaleDB extension."""
    with connect(cluster, credentials.postgres) as connection:
        _create_or_alter_roles(
            connection, {OWNER: credentials.urfmp, RUNTIME: credentials.urfmp_app}
        )
        _create_database(connection)
        databases = [
            name
            for (name,) in connection.execute(
                "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2"
            )
        ]
    for database in databases:
        _create_or_update_extension(cluster, credentials.postgres, database)


def _create_or_alter_roles(connection: psycopg.Connection, passwords: dict[str, str]) -> None:
    from psycopg import sql  # noqa: PLC0415

    existing = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for role, password in passwords.items():
        # One statement creates the role with its password, so none is ever without.
        verb, secret = ("ALTER", "") if role in existing else ("CREATE", password)
        statement = sql.SQL("{verb} ROLE {role} {rights}").format(
            verb=sql.SQL(verb), role=sql.Identifier(role), rights=sql.SQL(_ROLE_OPTIONS[role])
        )
        if secret:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(secret))
        connection.execute(statement)


def _create_database(connection: psycopg.Connection) -> None:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
    if found.fetchone() is None:
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER} TEMPLATE template0")
    connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {RUNTIME}")


def _create_or_update_extension(cluster: Cluster, password: str, database: str) -> None:
    """Create the extension in our database; update it in the others.

    The update brings an installed extension to the version of the server's programs.
    """
    with connect(cluster, password, database) as connection:
        found = connection.execute(
            "SELECT installed_version, default_version FROM pg_available_extensions "
            "WHERE name = 'timescaledb'"
        ).fetchone()
    installed, default = found or (None, None)
    if installed is None and database != DATABASE:
        return
    if installed == default:
        return
    # ALTER EXTENSION must be the first statement of a session, so it gets its own connection.
    with connect(cluster, password, database) as connection:
        if installed is None:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        else:
            connection.execute("ALTER EXTENSION timescaledb UPDATE")
