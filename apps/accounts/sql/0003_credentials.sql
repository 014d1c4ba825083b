-- Credentials are looked up before the organization is known, when row-level security hides every
-- row. These functions of the tables' owner accept an exact digest or address and return ids and
-- states; they cannot be used to search or list rows.

CREATE FUNCTION session_credential(token_digest text)
RETURNS TABLE (
    user_id uuid, organization_id uuid, data jsonb,
    expires_at timestamptz, last_activity_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.user_id, s.organization_id, s.data, s.expires_at, s.last_activity_at
    FROM user_sessions s
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.session_token = token_digest AND s.expires_at > now();
$$;

CREATE FUNCTION api_key_credential(key_digest text)
RETURNS TABLE (id uuid, organization_id uuid, robot_id uuid, permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.organization_id, k.robot_id, k.permissions
    FROM api_keys k
    JOIN organizations o ON o.id = k.organization_id AND o.is_active
    LEFT JOIN robots r ON r.id = k.robot_id
    WHERE k.key_hash = key_digest
      AND k.is_active
      AND (k.expires_at IS NULL OR k.expires_at > now())
      AND (k.robot_id IS NULL OR r.is_active);
$$;

-- Returns those of the digests that are no longer valid; open live streams are closed by it.
CREATE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.digest FROM unnest(digests) AS given (digest)
    WHERE NOT EXISTS (SELECT FROM session_credential(given.digest))
      AND NOT EXISTS (SELECT FROM api_key_credential(given.digest));
$$;

CREATE FUNCTION user_organization(address text) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.organization_id
    FROM users u
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE lower(u.email) = lower(address) AND u.is_active;
$$;

-- Jobs process the organizations one by one, each in its own transaction.
CREATE FUNCTION organization_ids() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT id FROM organizations ORDER BY id;
$$;

REVOKE ALL ON FUNCTION session_credential(text), api_key_credential(text),
    ended_credentials(text[]), user_organization(text), organization_ids() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session_credential(text), api_key_credential(text),
    ended_credentials(text[]), user_organization(text), organization_ids() TO urfmp_app;
