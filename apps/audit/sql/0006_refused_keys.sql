-- Owner of a denied key: takes the exact digest, returns ids and the reason. A reason of NULL means
-- that the key itself is valid.
CREATE FUNCTION api_key_refused(key_digest text)
RETURNS TABLE (id uuid, organization_id uuid, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.organization_id,
           CASE WHEN NOT k.is_active THEN 'revoked'
                WHEN k.expires_at <= now() THEN 'expired'
                WHEN NOT o.is_active THEN 'organization_inactive'
                WHEN k.robot_id IS NOT NULL AND NOT coalesce(r.is_active, false)
                    THEN 'robot_retired' END
    FROM api_keys k
    JOIN organizations o ON o.id = k.organization_id
    LEFT JOIN robots r ON r.id = k.robot_id
    WHERE k.key_hash = key_digest;
$$;
REVOKE ALL ON FUNCTION api_key_refused(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_refused(text) TO urfmp_app;
