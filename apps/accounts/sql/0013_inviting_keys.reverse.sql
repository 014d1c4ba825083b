ALTER TABLE invitations DROP CONSTRAINT fk_invitations_key;
