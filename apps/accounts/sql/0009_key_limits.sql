-- A key can be limited to networks, and has at most one successor.
ALTER TABLE api_keys
    ADD CONSTRAINT api_keys_organization_id_key UNIQUE (organization_id, id),
    ADD CONSTRAINT fk_api_keys_replaces
        FOREIGN KEY (organization_id, replaces_id) REFERENCES api_keys (organization_id, id),
    -- The cast raises an error for an invalid network.
    ADD CONSTRAINT api_keys_allowed_networks_check
        CHECK (array_position(allowed_networks::cidr[], NULL) IS NULL);

DROP FUNCTION api_key_credential(text);
CREATE FUNCTION api_key_credential(key_digest text)
RETURNS TABLE (
    id uuid, organization_id uuid, robot_id uuid, permissions text[], rate_limit integer,
    allowed_networks text[], last_used_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.organization_id, k.robot_id, k.permissions, k.rate_limit,
           k.allowed_networks, k.last_used_at
    FROM api_keys k
    JOIN organizations o ON o.id = k.organization_id AND o.is_active
    LEFT JOIN robots r ON r.id = k.robot_id
    WHERE k.key_hash = key_digest
      AND k.is_active
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.robot_id IS NULL OR r.is_active);
$$;

-- Concurrent requests do not wait for each other: a locked row is skipped, because the other
-- request updates it.
CREATE FUNCTION api_key_used(key_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    UPDATE api_keys SET last_used_at = now()
    WHERE id = (
        SELECT k.id FROM api_keys k
        WHERE k.id = key_id
          AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
        FOR UPDATE SKIP LOCKED);
$$;

REVOKE ALL ON FUNCTION api_key_credential(text), api_key_used(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_credential(text), api_key_used(uuid) TO urfmp_app;
