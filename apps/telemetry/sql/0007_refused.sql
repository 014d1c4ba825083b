-- Ingest caches API keys and robots. The transaction that stores points asks which of them are stale:
-- API keys that were revoked or expired, lost the scope, or have another robot or other networks;
-- robots that are retired or have another serial number. Row-level security restricts the function to
-- the organization's own rows.
CREATE FUNCTION telemetry_refused(
    key_ids uuid[], key_robots uuid[], key_networks text[], scope text,
    robot_ids uuid[], serial_numbers text[])
RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT given.id FROM unnest(key_ids, key_robots, key_networks)
            AS given (id, robot_id, networks)
        WHERE NOT EXISTS (
            SELECT FROM api_keys k
            JOIN organizations o ON o.id = k.organization_id AND o.is_active
            LEFT JOIN robots r ON r.id = k.robot_id
            WHERE k.id = given.id AND k.is_active
              AND (k.expires_at IS NULL OR k.expires_at > now())
              AND k.robot_id IS NOT DISTINCT FROM given.robot_id
              AND (k.robot_id IS NULL OR r.is_active)
              AND array_to_string(k.allowed_networks, ',') = given.networks
              AND scope = ANY (k.permissions));
    RETURN QUERY
        SELECT given.id FROM unnest(robot_ids, serial_numbers) AS given (id, serial_number)
        WHERE NOT EXISTS (
            SELECT FROM robots r
            WHERE r.id = given.id AND r.is_active
              AND r.serial_number IS NOT DISTINCT FROM given.serial_number);
END;
$$;
REVOKE ALL ON FUNCTION telemetry_refused(uuid[], uuid[], text[], text, uuid[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION telemetry_refused(uuid[], uuid[], text[], text, uuid[], text[]) TO urfmp_app;
