UPDATE robots SET lifecycle = CASE lifecycle
    WHEN 'commissioning' THEN 'staging' WHEN 'maintenance' THEN 'active' END
WHERE lifecycle IN ('commissioning', 'maintenance');
