DROP INDEX idx_audit_unlinked;
ALTER TABLE audit_logs DROP COLUMN ordinal;
ALTER TABLE audit_logs ADD COLUMN ordinal bigint NOT NULL GENERATED ALWAYS AS IDENTITY;
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
            UPDATE audit_logs SET seq = head.seq, hash = head.hash WHERE id = entry.id;
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
    )
    SELECT DISTINCT ON (faults.organization_id) * FROM faults
    ORDER BY faults.organization_id, faults.seq NULLS FIRST;
$$;

CREATE OR REPLACE FUNCTION audit_record(
    act text, resource_type text, resource_id uuid, success boolean,
    error_message text, request_data jsonb, response_data jsonb DEFAULT NULL) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
    RETURNING id;
$$;

DROP FUNCTION audit_chain_gaps();
CREATE FUNCTION audit_chain_gaps()
RETURNS TABLE (chain uuid, first_seq bigint, last_seq bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT chain, first_seq, last_seq FROM audit_gaps ORDER BY chain, first_seq;
$$;

REVOKE ALL ON FUNCTION audit_chain_gaps() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_chain_gaps() TO urfmp_app;
DROP FUNCTION audit_chain_bounds();
DROP FUNCTION audit_checkpoint_record(bigint, text, bytea, uuid, bytea);
DROP FUNCTION audit_checkpoint_seal();
