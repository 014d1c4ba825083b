-- A claim code belongs to its robot and goes with it.
ALTER TABLE robot_claim_codes
    ADD CONSTRAINT fk_claim_codes_organization
        FOREIGN KEY (organization_id) REFERENCES organizations (id),
    ADD CONSTRAINT fk_claim_codes_author FOREIGN KEY (created_by) REFERENCES users (id),
    ADD CONSTRAINT fk_claim_codes_organization_robot
        FOREIGN KEY (organization_id, robot_id) REFERENCES robots (organization_id, id)
        ON DELETE CASCADE;

-- Robots present a code before their organization is known. An expired code is returned as well,
-- so that the attempt is recorded in the organization's audit log.
CREATE FUNCTION robot_claim_credential(digest text)
RETURNS TABLE (id uuid, organization_id uuid, robot_id uuid, is_expired boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT c.id, c.organization_id, c.robot_id, c.expires_at <= now()
    FROM robot_claim_codes c
    JOIN organizations o ON o.id = c.organization_id AND o.is_active
    WHERE c.code_digest = digest;
$$;
REVOKE ALL ON FUNCTION robot_claim_credential(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION robot_claim_credential(text) TO urfmp_app;
