-- An action that changes no row, now with the data of the response. Empty texts are stored as NULL,
-- because CSV cannot distinguish the two and must remain verifiable against the chain.
DROP FUNCTION audit_record(text, text, uuid, boolean, text, jsonb);
CREATE FUNCTION audit_record(
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

-- The hash that a row of the open organization is linked to, even if the previous row was deleted by
-- the clean-up; NULL without such a row.
CREATE FUNCTION audit_hash_before(number bigint) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN number = 1 THEN ''::bytea ELSE coalesce(
        (SELECT hash FROM audit_logs
         WHERE organization_id = nullif(current_setting('app.organization_id', true), '')::uuid
           AND seq = number - 1),
        (SELECT hash FROM audit_gaps
         WHERE chain = nullif(current_setting('app.organization_id', true), '')::uuid
           AND last_seq = number - 1)) END;
$$;

REVOKE ALL ON FUNCTION audit_record(text, text, uuid, boolean, text, jsonb, jsonb),
    audit_hash_before(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_record(text, text, uuid, boolean, text, jsonb, jsonb),
    audit_hash_before(bigint) TO urfmp_app;
