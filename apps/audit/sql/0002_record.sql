-- The audit log. audit_row() writes it from triggers on every tenant table, audit_record() for
-- services whose action changes no row: logins, denials, exports.
--
-- Both run as the tables' owner, because the run-time role may only read audit_logs.

ALTER TABLE audit_logs
    ADD CONSTRAINT fk_audit_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_audit_user FOREIGN KEY (user_id) REFERENCES users (id);

ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_logs
    USING (organization_id = nullif(current_setting('app.organization_id', true), '')::uuid);

REVOKE INSERT, UPDATE, DELETE ON audit_logs FROM urfmp_app;

-- Masks secrets of a row: the listed columns, and JSON paths written as a.b.c.
CREATE FUNCTION audit_redact(entry jsonb, secret text[]) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    path text[];
    item text;
BEGIN
    FOREACH item IN ARRAY secret LOOP
        path := string_to_array(item, '.');
        IF entry #> path IS NOT NULL AND entry #> path <> 'null'::jsonb THEN
            entry := jsonb_set(entry, path, '"[secret]"');
        END IF;
    END LOOP;
    RETURN entry;
END;
$$;

-- The given keys of a JSON object.
CREATE FUNCTION audit_pick(entry jsonb, keys text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}'::jsonb)
    FROM jsonb_each(entry) WHERE key = ANY (keys);
$$;

-- Trigger arguments: resource name, organization column, ignored columns, secret columns or paths.
CREATE FUNCTION audit_row() RETURNS trigger
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

-- An action that changes no row. It belongs to the transaction's organization, or to the platform
-- without one, never to another organization.
CREATE FUNCTION audit_record(
    act text, resource_type text, resource_id uuid, success boolean,
    error_message text, request_data jsonb) RETURNS uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO audit_logs (
        organization_id, user_id, api_key_id, action, resource_type, resource_id,
        ip_address, user_agent, request_id, request_data, success, error_message)
    VALUES (
        nullif(current_setting('app.organization_id', true), '')::uuid,
        nullif(current_setting('app.user_id', true), '')::uuid,
        nullif(current_setting('app.api_key_id', true), '')::uuid,
        act, resource_type, resource_id,
        nullif(current_setting('app.ip_address', true), '')::inet,
        nullif(current_setting('app.user_agent', true), ''),
        nullif(current_setting('app.request_id', true), ''),
        request_data, success, error_message)
    RETURNING id;
$$;

-- Deletes rows past the retention; it cannot delete younger rows.
CREATE FUNCTION audit_clean_up(keep interval DEFAULT '1 year') RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    removed bigint;
BEGIN
    -- Compared as dates, because an interval of a year counts as 360 days.
    IF now() - keep > now() - interval '1 year' THEN
        RAISE EXCEPTION 'The audit record is kept for at least one year.'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM audit_logs WHERE created_at < now() - keep;
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END;
$$;

REVOKE ALL ON FUNCTION audit_row(), audit_record(text, text, uuid, boolean, text, jsonb),
    audit_clean_up(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_record(text, text, uuid, boolean, text, jsonb),
    audit_clean_up(interval) TO urfmp_app;
