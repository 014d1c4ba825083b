-- Only the owner of the signing key can record a checkpoint. The run-time role is the worker's and
-- that of every request, so a privilege cannot distinguish them; a chain of secrets does. A record
-- reveals the secret whose hash the previous record has stored. From `label` the owner of the
-- key derives the next secret.
REVOKE ALL ON audit_checkpoint_seals FROM urfmp_app;

CREATE FUNCTION audit_checkpoint_seal() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT label FROM audit_checkpoint_seals;
$$;

-- False, and nothing is recorded, if the secret is wrong. Without a seal, before the first checkpoint,
-- any secret is right.
CREATE FUNCTION audit_checkpoint_record(
    number bigint, digest text, secret bytea, next_label uuid, next_seal bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- The insert waits for a concurrent one.
    INSERT INTO audit_checkpoint_seals (id, label, seal) VALUES (1, next_label, next_seal)
    ON CONFLICT (id) DO UPDATE SET label = EXCLUDED.label, seal = EXCLUDED.seal
        WHERE audit_checkpoint_seals.seal = sha256(secret);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO audit_logs (action, resource_type, request_data, success)
    VALUES ('audit.record.checkpoint', 'checkpoint',
            jsonb_build_object('number', number, 'sha256', digest), true);
    RETURN true;
END;
$$;

-- As before, but for checkpoints.
CREATE OR REPLACE FUNCTION audit_record(
    act text, resource_type text, resource_id uuid, success boolean,
    error_message text, request_data jsonb, response_data jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    entry uuid;
BEGIN
    IF act = 'audit.record.checkpoint' THEN
        RAISE EXCEPTION 'Only audit_checkpoint_record() records checkpoints.'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_logs (
        organization_id, user_id, api_key_id, action, resource_type, resource_id,
        ip_address, user_agent, request_id, request_data, response_data, success, error_message)
    VALUES (
        nullif(current_setting('app.organization_id', true), '')::uuid,
        nullif(current_setting('app.user_id', true), '')::uuid,
        nullif(current_setting('app.api_key_id', true), '')::uuid,
        act, nullif(resource_type, ''), resource_id,
        nullif(current_setting('app.ip_address', true), '')::inet,
        nullif(current_setting('app.user_agent', true), ''),
        nullif(current_setting('app.request_id', true), ''),
        request_data, response_data, success, nullif(error_message, ''))
    RETURNING id INTO entry;
    RETURN entry;
END;
$$;

-- For checkpoints: the newest and the oldest row of each chain, and the gaps with their hashes.
CREATE FUNCTION audit_chain_bounds()
RETURNS TABLE (chain uuid, seq bigint, hash bytea,
    oldest_seq bigint, oldest_hash bytea, oldest_time timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT head.chain, head.seq, head.hash, oldest.seq, oldest.hash, oldest.created_at
    FROM audit_heads AS head
    LEFT JOIN LATERAL (
        SELECT entry.seq, entry.hash, entry.created_at FROM audit_logs AS entry
        WHERE entry.organization_id IS NOT DISTINCT FROM nullif(head.chain, audit_chain_of(NULL))
          AND entry.seq IS NOT NULL
        ORDER BY entry.seq LIMIT 1
    ) AS oldest ON true
    ORDER BY head.chain;
$$;

DROP FUNCTION audit_chain_gaps();
CREATE FUNCTION audit_chain_gaps()
RETURNS TABLE (chain uuid, first_seq bigint, last_seq bigint, hash bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain, first_seq, last_seq, hash FROM audit_gaps ORDER BY chain, first_seq;
$$;

REVOKE ALL ON FUNCTION audit_checkpoint_seal(), audit_chain_bounds(), audit_chain_gaps(),
    audit_checkpoint_record(bigint, text, bytea, uuid, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_checkpoint_seal(), audit_chain_bounds(), audit_chain_gaps(),
    audit_checkpoint_record(bigint, text, bytea, uuid, bytea) TO urfmp_app;

-- A row's ordinal orders the rows of one transaction until they are linked. No hash covers it, so
-- linking removes it. Rows that are linked lose theirs with the column.
DROP INDEX idx_audit_unlinked;
ALTER TABLE audit_logs DROP COLUMN ordinal;
ALTER TABLE audit_logs ADD COLUMN ordinal bigint;
CREATE SEQUENCE audit_logs_ordinal_seq OWNED BY audit_logs.ordinal;
REVOKE ALL ON SEQUENCE audit_logs_ordinal_seq FROM urfmp_app;
ALTER TABLE audit_logs ALTER COLUMN ordinal SET DEFAULT nextval('audit_logs_ordinal_seq');
CREATE INDEX idx_audit_unlinked ON audit_logs (organization_id, ordinal) WHERE seq IS NULL;

CREATE OR REPLACE FUNCTION audit_link() RETURNS trigger
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
            UPDATE audit_logs SET seq = head.seq, hash = head.hash, ordinal = NULL
            WHERE id = entry.id;
        END LOOP;
        UPDATE audit_heads SET seq = head.seq, hash = head.hash WHERE chain = head.chain;
    END LOOP;
    RETURN NULL;
END;
$$;

CREATE OR REPLACE FUNCTION audit_verify_spare()
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
        UNION ALL
        SELECT entry.organization_id, entry.seq, entry.id, 'its ordinal was changed'
        FROM audit_logs AS entry WHERE entry.ordinal IS NOT NULL AND entry.seq IS NOT NULL
    )
    SELECT DISTINCT ON (faults.organization_id) * FROM faults
    ORDER BY faults.organization_id, faults.seq NULLS FIRST;
$$;
