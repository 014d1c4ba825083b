ALTER FUNCTION audit_chain_of(uuid) SET search_path = pg_catalog;
ALTER FUNCTION audit_digest(audit_logs, bytea) IMMUTABLE SET search_path = pg_catalog, public;
