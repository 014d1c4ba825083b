ALTER TABLE one_time_links
    ADD CONSTRAINT fk_links_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_links_user
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;

-- Links are opened before the organization is known, by users who are not logged in.
CREATE FUNCTION link_credential(digest text)
RETURNS TABLE (id uuid, user_id uuid, organization_id uuid, purpose varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT l.id, l.user_id, l.organization_id, l.purpose
    FROM one_time_links l
    JOIN users u ON u.id = l.user_id AND u.is_active
    JOIN organizations o ON o.id = u.organization_id AND o.is_active
    WHERE l.token_digest = digest AND l.expires_at > now();
$$;
REVOKE ALL ON FUNCTION link_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION link_credential(text) TO urfmp_app;
