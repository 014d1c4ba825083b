-- Data that no hash covers: rows of audit_gaps that no clean-up has written, and the netmask of an IP
-- address. Only the clean-up writes gaps, for deleted numbers; netmasks are never written.
CREATE FUNCTION audit_verify_spare()
RETURNS TABLE (organization_id uuid, seq bigint, id uuid, fault text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH faults AS (
        SELECT nullif(gap.chain, audit_chain_of(NULL)) AS organization_id, gap.first_seq AS seq,
               NULL::uuid AS id, 'a recorded gap is not a gap' AS fault
        FROM audit_gaps AS gap
        LEFT JOIN audit_heads AS head ON head.chain = gap.chain
        WHERE head.chain IS NULL OR gap.last_seq > head.seq
           OR gap.first_seq < 1 OR gap.first_seq > gap.last_seq
           OR EXISTS (
               SELECT FROM audit_logs AS entry
               WHERE (entry.organization_id = gap.chain
                      OR entry.organization_id IS NULL AND gap.chain = audit_chain_of(NULL))
                 AND entry.seq BETWEEN gap.first_seq AND gap.last_seq)
           OR EXISTS (
               SELECT FROM audit_gaps AS other
               WHERE other.chain = gap.chain AND other.id <> gap.id
                 AND other.first_seq BETWEEN gap.first_seq AND gap.last_seq)
        UNION ALL
        SELECT entry.organization_id, entry.seq, entry.id, 'its address was changed'
        FROM audit_logs AS entry
        WHERE masklen(entry.ip_address) < CASE family(entry.ip_address) WHEN 4 THEN 32 ELSE 128 END
    )
    SELECT DISTINCT ON (faults.organization_id) * FROM faults
    ORDER BY faults.organization_id, faults.seq NULLS FIRST;
$$;

REVOKE ALL ON FUNCTION audit_verify_spare() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_verify_spare() TO urfmp_app;
