-- The first look-up of a login. The returned time is not secret: trusted device cookies from before
-- it are rejected.
CREATE FUNCTION account_standing(address text)
RETURNS TABLE (organization_id uuid, devices_known_since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.organization_id, u.devices_known_since
    FROM users u
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE lower(u.email) = lower(address) AND u.is_active;
$$;
REVOKE ALL ON FUNCTION account_standing(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_standing(text) TO urfmp_app;
