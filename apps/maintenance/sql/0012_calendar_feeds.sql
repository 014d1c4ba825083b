-- A feed belongs to its user and goes with it.
ALTER TABLE calendar_feeds
    ADD CONSTRAINT fk_calendar_feeds_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_calendar_feeds_user
        FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
        ON DELETE CASCADE;

-- Calendars present a token before their organization is known.
CREATE FUNCTION calendar_feed_credential(digest text)
RETURNS TABLE (id uuid, organization_id uuid, user_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT f.id, f.organization_id, f.user_id
    FROM calendar_feeds f
    JOIN organizations o ON o.id = f.organization_id AND o.is_active
    JOIN users u ON u.id = f.user_id AND u.is_active
    WHERE f.token_digest = digest;
$$;
REVOKE ALL ON FUNCTION calendar_feed_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION calendar_feed_credential(text) TO urfmp_app;
