DROP FUNCTION audit_checkpoint_told();
DROP FUNCTION audit_compare(uuid[], bigint[], bytea[]);
DROP FUNCTION audit_chain_gaps();
DROP FUNCTION audit_chain_heads();
