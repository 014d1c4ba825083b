-- The statuses stay: what they were is in the audit log.
SELECT;
