-- Without a SET clause PostgreSQL inlines these functions, which halves the time to verify. Their
-- callers set the search path.
ALTER FUNCTION audit_digest(audit_logs, bytea) STABLE RESET ALL;
ALTER FUNCTION audit_chain_of(uuid) RESET ALL;
