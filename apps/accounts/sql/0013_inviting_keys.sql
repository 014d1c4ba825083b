-- An invitation is worth as much as the key that made it, which is one of the same organization.
ALTER TABLE invitations
    ADD CONSTRAINT fk_invitations_key
        FOREIGN KEY (organization_id, invited_by_key_id)
        REFERENCES api_keys (organization_id, id);
