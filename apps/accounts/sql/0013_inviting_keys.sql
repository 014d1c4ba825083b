-- An invitation is valid only while the API key that sent it is, a key of the same organization.
ALTER TABLE invitations
    ADD CONSTRAINT fk_invitations_key
        FOREIGN KEY (organization_id, invited_by_key_id)
        REFERENCES api_keys (organization_id, id);
