-- Everything that the owner makes from here on is usable by the run-time role, which owns nothing.
-- Tables that it must not write take the right away again in their own migration.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'urfmp_app') THEN
        RAISE EXCEPTION 'The run-time role urfmp_app does not exist.'
            USING HINT = 'As a superuser: CREATE ROLE urfmp_app LOGIN PASSWORD ''...'';';
    END IF;
END;
$$;

GRANT USAGE ON SCHEMA public TO urfmp_app;
GRANT SELECT ON django_migrations TO urfmp_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO urfmp_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO urfmp_app;
