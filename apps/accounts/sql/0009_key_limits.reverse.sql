DROP FUNCTION api_key_used(uuid);
DROP FUNCTION api_key_credential(text);
CREATE FUNCTION api_key_credential(key_digest text)
RETURNS TABLE (
    id uuid, organization_id uuid, robot_id uuid, permissions text[], rate_limit integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.organization_id, k.robot_id, k.permissions, k.rate_limit
    FROM api_keys k
    JOIN organizations o ON o.id = k.organization_id AND o.is_active
    LEFT JOIN robots r ON r.id = k.robot_id
    WHERE k.key_hash = key_digest
      AND k.is_active
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.robot_id IS NULL OR r.is_active);
$$;
REVOKE ALL ON FUNCTION api_key_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_credential(text) TO urfmp_app;

ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_allowed_networks_check,
    DROP CONSTRAINT fk_api_keys_replaces,
    DROP CONSTRAINT api_keys_organization_id_key;
