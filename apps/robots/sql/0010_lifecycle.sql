-- Staging is the field's commissioning. A robot that was being decommissioned is out of production
-- but still in the fleet: maintenance. Retired would end its API keys and cancel its tasks, which
-- is a decision of its own.
UPDATE robots SET lifecycle = CASE lifecycle
    WHEN 'staging' THEN 'commissioning' WHEN 'decommissioning' THEN 'maintenance' END
WHERE lifecycle IN ('staging', 'decommissioning');
