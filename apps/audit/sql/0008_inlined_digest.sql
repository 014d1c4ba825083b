-- Without settings of their own these are put into the queries that call them, which halves the
-- time to verify. Their callers fix the search path.
ALTER FUNCTION audit_digest(audit_logs, bytea) STABLE RESET ALL;
ALTER FUNCTION audit_chain_of(uuid) RESET ALL;
