-- One query for all credentials: a process checks those of thousands of open streams every second.
-- The conditions are those of session_credential, access_token_credential and api_key_credential.
CREATE OR REPLACE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.digest FROM unnest(digests) AS given (digest)
    EXCEPT (
        SELECT s.session_token
        FROM user_sessions s
        JOIN users u ON u.id = s.user_id AND u.is_active
        JOIN organizations o ON o.id = u.organization_id AND o.is_active
        WHERE s.session_token = ANY (digests)
          AND now() < CASE WHEN s.family_id IS NULL THEN s.expires_at ELSE s.access_expires_at END
        UNION ALL
        SELECT k.key_hash
        FROM api_keys k
        JOIN organizations o ON o.id = k.organization_id AND o.is_active
        LEFT JOIN robots r ON r.id = k.robot_id
        WHERE k.key_hash = ANY (digests)
          AND k.is_active
          AND (k.expires_at IS NULL OR k.expires_at > now())
          AND (k.robot_id IS NULL OR r.is_active)
    );
$$;
