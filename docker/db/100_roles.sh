#!/bin/sh
# Runs once, with an empty volume, after the image has installed TimescaleDB.
#
# urfmp owns and migrates the tables. The application connects as urfmp_app, which owns nothing and
# cannot bypass row-level security; it does not start with a more privileged role.
set -eu

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set owner_password `cat "$OWNER_PASSWORD_FILE"`
\set app_password `cat "$APP_PASSWORD_FILE"`

CREATE ROLE urfmp LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS
    PASSWORD :'owner_password';
CREATE ROLE urfmp_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS
    PASSWORD :'app_password';

CREATE DATABASE urfmp OWNER urfmp;
REVOKE CONNECT ON DATABASE urfmp FROM PUBLIC;
GRANT CONNECT ON DATABASE urfmp TO urfmp_app;

\connect urfmp
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
