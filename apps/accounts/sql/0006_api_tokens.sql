-- Deleting the root of a token family, which represents the session, revokes the whole family.
ALTER TABLE user_sessions
    ADD CONSTRAINT fk_sessions_family
        FOREIGN KEY (family_id) REFERENCES user_sessions (id) ON DELETE CASCADE,
    ADD CONSTRAINT user_sessions_tokens_check
        CHECK (family_id IS NULL OR (refresh_token IS NOT NULL AND access_expires_at IS NOT NULL));

-- Browser sessions only: an access token in a cookie is rejected.
CREATE OR REPLACE FUNCTION session_credential(token_digest text)
RETURNS TABLE (
    user_id uuid, organization_id uuid, data jsonb,
    expires_at timestamptz, last_activity_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.user_id, s.organization_id, s.data, s.expires_at, s.last_activity_at
    FROM user_sessions s
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.session_token = token_digest AND s.expires_at > now() AND s.family_id IS NULL;
$$;

CREATE FUNCTION access_token_credential(token_digest text)
RETURNS TABLE (
    family_id uuid, user_id uuid, organization_id uuid, data jsonb,
    access_expires_at timestamptz, last_activity_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT root.id, s.user_id, s.organization_id, root.data,
           s.access_expires_at, root.last_activity_at
    FROM user_sessions s
    JOIN user_sessions root ON root.id = s.family_id
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.session_token = token_digest AND s.access_expires_at > now();
$$;

-- Returns rotated tokens too, to distinguish reuse from guessing.
CREATE FUNCTION refresh_token_credential(token_digest text)
RETURNS TABLE (family_id uuid, user_id uuid, organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.family_id, s.user_id, s.organization_id
    FROM user_sessions s
    JOIN users u ON u.id = s.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE s.refresh_token = token_digest AND s.family_id IS NOT NULL AND s.expires_at > now();
$$;

CREATE OR REPLACE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.digest FROM unnest(digests) AS given (digest)
    WHERE NOT EXISTS (SELECT FROM session_credential(given.digest))
      AND NOT EXISTS (SELECT FROM access_token_credential(given.digest))
      AND NOT EXISTS (SELECT FROM api_key_credential(given.digest));
$$;

REVOKE ALL ON FUNCTION access_token_credential(text), refresh_token_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access_token_credential(text), refresh_token_credential(text)
    TO urfmp_app;
