SELECT audit_spool_enter();
-- Trigger arguments: resource name, organization column, ignored columns, secret columns or paths.
CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    resource text := TG_ARGV[0];
    ignored text[] := TG_ARGV[2]::text[];
    secret text[] := TG_ARGV[3]::text[];
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - ignored END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - ignored END;
    named jsonb := coalesce(new_row, old_row);
    changed text[];
    verb text := CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(key) INTO changed
        FROM jsonb_each(new_row) AS fresh
        WHERE fresh.value IS DISTINCT FROM old_row -> fresh.key AND fresh.key <> 'updated_at';
        IF changed IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    old_row := audit_redact(old_row, secret);
    new_row := audit_redact(new_row, secret);
    IF TG_OP = 'UPDATE' THEN
        old_row := audit_pick(old_row, changed);
        new_row := audit_pick(new_row, changed);
    END IF;
    INSERT INTO audit_logs (
        organization_id, user_id, api_key_id, action, resource_type, resource_id,
        before, after, ip_address, user_agent, request_id, success)
    VALUES (
        (named ->> TG_ARGV[1])::uuid,
        nullif(current_setting('app.user_id', true), '')::uuid,
        nullif(current_setting('app.api_key_id', true), '')::uuid,
        coalesce(nullif(current_setting('app.action', true), ''), resource || '.' || verb),
        split_part(resource, '.', 2),
        (named ->> 'id')::uuid,
        old_row,
        new_row,
        nullif(current_setting('app.ip_address', true), '')::inet,
        nullif(current_setting('app.user_agent', true), ''),
        nullif(current_setting('app.request_id', true), ''),
        true);
    RETURN NULL;
END;
$$;

DROP FUNCTION audit_spool_enter();
DROP FUNCTION audit_insert(audit_logs, timestamptz);
DROP TABLE audit_spool;
