CREATE OR REPLACE FUNCTION ended_credentials(digests text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT given.digest FROM unnest(digests) AS given (digest)
    WHERE NOT EXISTS (SELECT FROM session_credential(given.digest))
      AND NOT EXISTS (SELECT FROM access_token_credential(given.digest))
      AND NOT EXISTS (SELECT FROM api_key_credential(given.digest));
$$;
