-- The chain. Each row of an organization gets the next number and a hash over its content and the
-- previous hash, so that a changed, missing or inserted row is detected. Rows without an organization
-- form the platform's chain.
--
-- Rows are linked at commit: the head, one row per chain, is locked only during the commit, and a long
-- transaction blocks no other. A transaction with rows of several chains locks their heads in a
-- fixed order, so that two transactions cannot deadlock.

REVOKE ALL ON audit_heads, audit_gaps FROM urfmp_app;
REVOKE ALL ON SEQUENCE audit_gaps_id_seq FROM urfmp_app;

-- The order of the rows of one transaction.
ALTER TABLE audit_logs ADD COLUMN ordinal bigint NOT NULL GENERATED ALWAYS AS IDENTITY;

CREATE UNIQUE INDEX idx_audit_chain ON audit_logs (organization_id, seq) NULLS NOT DISTINCT
    WHERE seq IS NOT NULL;
CREATE INDEX idx_audit_unlinked ON audit_logs (organization_id, ordinal) WHERE seq IS NULL;

CREATE FUNCTION audit_chain_of(organization_id uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid);
$$;

-- SHA-256 over the previous hash and the row as a JSON array. The text of jsonb is canonical; the
-- time is in microseconds, independent of settings.
CREATE FUNCTION audit_digest(entry audit_logs, previous bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public AS $$
    SELECT sha256(previous || convert_to(jsonb_build_array(
        entry.seq, entry.id, entry.organization_id, entry.user_id, entry.api_key_id, entry.action,
        entry.resource_type, entry.resource_id, entry.before, entry.after, host(entry.ip_address),
        entry.user_agent, entry.request_id, entry.request_data, entry.response_data, entry.success,
        entry.error_message, (extract(epoch FROM entry.created_at) * 1000000)::bigint
    )::text, 'UTF8'));
$$;

-- The trigger of a transaction's first row links all rows of the transaction. Unlinked rows of other
-- transactions are not visible, because every committed row is linked.
CREATE FUNCTION audit_link() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    head audit_heads;
    entry audit_logs;
BEGIN
    -- By the primary key: the index of unlinked rows still contains the rows linked just now.
    PERFORM FROM audit_logs WHERE id = NEW.id AND seq + 0 IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_heads (chain)
    SELECT DISTINCT audit_chain_of(organization_id) AS chain FROM audit_logs WHERE seq IS NULL
    ORDER BY chain
    ON CONFLICT DO NOTHING;
    FOR head IN
        SELECT * FROM audit_heads
        WHERE chain IN (
            SELECT audit_chain_of(organization_id) FROM audit_logs WHERE seq IS NULL)
        ORDER BY chain FOR UPDATE
    LOOP
        FOR entry IN
            SELECT * FROM audit_logs
            WHERE seq IS NULL AND audit_chain_of(organization_id) = head.chain
            ORDER BY ordinal
        LOOP
            head.seq := head.seq + 1;
            entry.seq := head.seq;
            head.hash := audit_digest(entry, head.hash);
            UPDATE audit_logs SET seq = head.seq, hash = head.hash WHERE id = entry.id;
        END LOOP;
        UPDATE audit_heads SET seq = head.seq, hash = head.hash WHERE chain = head.chain;
    END LOOP;
    RETURN NULL;
END;
$$;

CREATE CONSTRAINT TRIGGER audit_link_trigger
    AFTER INSERT ON audit_logs
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_link();

-- The first error of each invalid chain: the row, or the end of the chain, and the reason.
CREATE FUNCTION audit_verify()
RETURNS TABLE (organization_id uuid, seq bigint, id uuid, fault text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH linked AS (
        SELECT entry, audit_chain_of(entry.organization_id) AS chain,
               coalesce(lag(entry.seq) OVER chained, 0) + 1 AS expected,
               coalesce(lag(entry.hash) OVER chained, '') AS hash_before
        FROM audit_logs AS entry
        WHERE entry.seq IS NOT NULL
        WINDOW chained AS (PARTITION BY entry.organization_id ORDER BY entry.seq)
    ),
    faults AS (
        SELECT (linked.entry).organization_id, (linked.entry).seq, (linked.entry).id,
               CASE
                   WHEN head.chain IS NULL THEN 'its chain has no head'
                   WHEN (linked.entry).seq <> linked.expected AND gap.chain IS NULL
                       THEN 'rows before it are missing'
                   WHEN (linked.entry).hash IS DISTINCT FROM audit_digest(
                           linked.entry, coalesce(gap.hash, linked.hash_before))
                       THEN 'it was changed, or the row before it'
               END AS fault
        FROM linked
        LEFT JOIN audit_heads AS head USING (chain)
        LEFT JOIN audit_gaps AS gap
            ON gap.chain = linked.chain AND gap.first_seq = linked.expected
            AND gap.last_seq = (linked.entry).seq - 1
        UNION ALL
        SELECT entry.organization_id, NULL, entry.id, 'it is not part of the chain'
        FROM audit_logs AS entry WHERE entry.seq IS NULL
        UNION ALL
        SELECT nullif(head.chain, audit_chain_of(NULL)), head.seq, NULL, 'the end is missing'
        FROM audit_heads AS head
        LEFT JOIN LATERAL (
            SELECT entry.seq, entry.hash FROM audit_logs AS entry
            WHERE entry.organization_id IS NOT DISTINCT FROM nullif(head.chain, audit_chain_of(NULL))
            ORDER BY entry.seq DESC NULLS LAST LIMIT 1
        ) AS last ON true
        LEFT JOIN audit_gaps AS gap
            ON gap.chain = head.chain AND gap.first_seq = coalesce(last.seq, 0) + 1
        WHERE coalesce(gap.last_seq, last.seq, 0) <> head.seq
           OR coalesce(gap.hash, last.hash, '') <> head.hash
    )
    SELECT DISTINCT ON (faults.organization_id) * FROM faults
    WHERE faults.fault IS NOT NULL
    ORDER BY faults.organization_id, faults.seq NULLS FIRST;
$$;

-- The clean-up stores the deleted numbers, and the hash that the next row is linked to.
CREATE OR REPLACE FUNCTION audit_clean_up(keep interval DEFAULT '1 year') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    -- Compared as dates, because an interval of a year counts as 360 days.
    IF now() - keep > now() - interval '1 year' THEN
        RAISE EXCEPTION 'The audit record is kept for at least one year.'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Blocks linking and other clean-ups until the commit.
    PERFORM FROM audit_heads ORDER BY chain FOR UPDATE;
    WITH gone AS (
        DELETE FROM audit_logs WHERE created_at < now() - keep
        RETURNING audit_chain_of(organization_id) AS chain, seq, hash
    ),
    noted AS (
        INSERT INTO audit_gaps (chain, first_seq, last_seq, hash)
        SELECT chain, seq, seq, hash FROM gone WHERE seq IS NOT NULL
    )
    SELECT count(*) INTO removed FROM gone;
    -- Merge adjacent gaps.
    WITH marked AS (
        SELECT *, first_seq <> coalesce(lag(last_seq) OVER gaps, -1) + 1 AS begins
        FROM audit_gaps WINDOW gaps AS (PARTITION BY chain ORDER BY first_seq)
    ),
    numbered AS (
        SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY chain ORDER BY first_seq) AS number
        FROM marked
    ),
    merged AS (
        SELECT chain, min(first_seq) AS first_seq, max(last_seq) AS last_seq,
               (array_agg(hash ORDER BY first_seq DESC))[1] AS hash
        FROM numbered GROUP BY chain, number
    ),
    swallowed AS (
        DELETE FROM audit_gaps AS gap USING merged
        WHERE gap.chain = merged.chain
          AND gap.first_seq > merged.first_seq AND gap.last_seq <= merged.last_seq
    )
    UPDATE audit_gaps AS gap SET last_seq = merged.last_seq, hash = merged.hash
    FROM merged
    WHERE gap.chain = merged.chain AND gap.first_seq = merged.first_seq;
    RETURN removed;
END;
$$;

REVOKE ALL ON FUNCTION audit_link(), audit_verify() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_verify() TO urfmp_app;
