CREATE OR REPLACE FUNCTION audit_clean_up(keep interval DEFAULT '1 year') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    -- As dates: intervals alone compare a year as 360 days.
    IF now() - keep > now() - interval '1 year' THEN
        RAISE EXCEPTION 'The audit record is kept for at least one year.'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM audit_logs WHERE created_at < now() - keep;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END;
$$;
DROP FUNCTION audit_verify();
DROP TRIGGER audit_link_trigger ON audit_logs;
DROP FUNCTION audit_link();
DROP FUNCTION audit_digest(audit_logs, bytea);
DROP FUNCTION audit_chain_of(uuid);
DROP INDEX idx_audit_unlinked;
DROP INDEX idx_audit_chain;
ALTER TABLE audit_logs DROP COLUMN ordinal;
