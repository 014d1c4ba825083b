DROP FUNCTION audit_hash_before(bigint);
DROP FUNCTION audit_record(text, text, uuid, boolean, text, jsonb, jsonb);
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
REVOKE ALL ON FUNCTION audit_record(text, text, uuid, boolean, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_record(text, text, uuid, boolean, text, jsonb) TO urfmp_app;
