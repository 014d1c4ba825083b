-- A live process asks each second about the keys of all its streams, which may be thousands: valid
-- keys are found in one join, with the rule of `api_key_credential`, and only the rest is looked up
-- one by one.
CREATE OR REPLACE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    WITH rest AS MATERIALIZED (
        SELECT given.digest FROM unnest(digests) AS given (digest)
        EXCEPT ALL
        SELECT k.key_hash
        FROM api_keys k
        JOIN organizations o ON o.id = k.organization_id AND o.is_active
        LEFT JOIN robots r ON r.id = k.robot_id
        WHERE k.key_hash = ANY (digests)
          AND k.is_active
          AND (k.expires_at IS NULL OR k.expires_at > now())
          AND (k.robot_id IS NULL OR r.is_active)
    )
    SELECT rest.digest FROM rest
    WHERE NOT EXISTS (SELECT FROM session_credential(rest.digest))
      AND NOT EXISTS (SELECT FROM access_token_credential(rest.digest));
$$;
