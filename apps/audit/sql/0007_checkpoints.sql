-- Numbers and hashes of all chains for signed checkpoints. The run-time role cannot read other
-- organizations' chains; these functions reveal no audited data.

-- The head of each chain, and the gaps that the clean-up has left.
CREATE FUNCTION audit_chain_heads()
RETURNS TABLE (chain uuid, seq bigint, hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain, seq, hash FROM audit_heads ORDER BY chain;
$$;

CREATE FUNCTION audit_chain_gaps()
RETURNS TABLE (chain uuid, first_seq bigint, last_seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain, first_seq, last_seq FROM audit_gaps ORDER BY chain, first_seq;
$$;

-- The given heads that do not match the chains.
CREATE FUNCTION audit_compare(chains uuid[], numbers bigint[], hashes bytea[])
RETURNS TABLE (chain uuid, seq bigint, fault text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH told AS (
        SELECT * FROM unnest(chains, numbers, hashes) AS told (chain, seq, hash) WHERE told.seq > 0
    ),
    looked AS (
        SELECT told.chain, told.seq,
               CASE
                   WHEN head.seq IS NULL OR head.seq < told.seq THEN 'the end was cut off'
                   WHEN entry.hash = told.hash THEN NULL
                   WHEN entry.hash IS NOT NULL THEN 'the chain was rewritten'
                   WHEN gap.first_seq IS NULL THEN 'the row is missing'
                   WHEN gap.last_seq = told.seq AND gap.hash <> told.hash
                       THEN 'the chain was rewritten'
               END AS fault
        FROM told
        LEFT JOIN audit_heads AS head ON head.chain = told.chain
        LEFT JOIN LATERAL (
            SELECT a.hash FROM audit_logs AS a
            WHERE a.organization_id IS NOT DISTINCT FROM nullif(told.chain, audit_chain_of(NULL))
              AND a.seq = told.seq
        ) AS entry ON true
        LEFT JOIN audit_gaps AS gap
            ON gap.chain = told.chain AND told.seq BETWEEN gap.first_seq AND gap.last_seq
    )
    SELECT looked.chain, looked.seq, looked.fault FROM looked WHERE looked.fault IS NOT NULL
    ORDER BY looked.chain, looked.seq;
$$;

-- The newest checkpoint in the audit log.
CREATE FUNCTION audit_checkpoint_told()
RETURNS TABLE (number bigint, digest text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT (request_data ->> 'number')::bigint, request_data ->> 'sha256'
    FROM audit_logs
    WHERE organization_id IS NULL AND action = 'audit.record.checkpoint'
    ORDER BY seq DESC LIMIT 1;
$$;

REVOKE ALL ON FUNCTION audit_chain_heads(), audit_chain_gaps(),
    audit_compare(uuid[], bigint[], bytea[]), audit_checkpoint_told() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_chain_heads(), audit_chain_gaps(),
    audit_compare(uuid[], bigint[], bytea[]), audit_checkpoint_told() TO urfmp_app;
