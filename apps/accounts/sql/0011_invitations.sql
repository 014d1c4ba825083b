ALTER TABLE invitations
    ADD CONSTRAINT fk_invitations_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_invitations_invited_by
        FOREIGN KEY (invited_by) REFERENCES users (id);

-- Invitations are opened before the organization is known, by people without an account.
CREATE FUNCTION invitation_credential(digest text)
RETURNS TABLE (id uuid, organization_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT i.id, i.organization_id
    FROM invitations i
    JOIN organizations o ON o.id = i.organization_id AND o.is_active
    WHERE i.token_digest = digest AND i.expires_at > now();
$$;
REVOKE ALL ON FUNCTION invitation_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitation_credential(text) TO urfmp_app;
