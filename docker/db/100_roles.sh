#!/bin/sh
# Runs once, when the volume is empty, after the image has set up TimescaleDB.
#
# urfmp owns the tables and migrates them; urfmp_app is what the application works as. It owns
# nothing and does not bypass row-level security: the application refuses to start as more.
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
