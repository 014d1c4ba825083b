-- Without the token columns, these rows would be accepted as browser sessions.
DELETE FROM user_sessions WHERE family_id IS NOT NULL;

CREATE OR REPLACE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.digest FROM unnest(digests) AS given (digest)
    WHERE NOT EXISTS (SELECT FROM session_credential(given.digest))
      AND NOT EXISTS (SELECT FROM api_key_credential(given.digest));
$$;

DROP FUNCTION refresh_token_credential(text);
DROP FUNCTION access_token_credential(text);

CREATE OR REPLACE FUNCTION session_credential(token_digest text)
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

ALTER TABLE user_sessions
    DROP CONSTRAINT user_sessions_tokens_check,
    DROP CONSTRAINT fk_sessions_family;
