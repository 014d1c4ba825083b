DROP FUNCTION audit_verify_spare();
