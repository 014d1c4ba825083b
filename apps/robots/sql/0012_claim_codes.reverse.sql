DROP FUNCTION robot_claim_credential(text);
ALTER TABLE robot_claim_codes
    DROP CONSTRAINT fk_claim_codes_organization,
    DROP CONSTRAINT fk_claim_codes_author,
    DROP CONSTRAINT fk_claim_codes_organization_robot;
