DROP FUNCTION invitation_credential(text);
ALTER TABLE invitations
    DROP CONSTRAINT fk_invitations_invited_by,
    DROP CONSTRAINT fk_invitations_organization;
