UPDATE alerts
SET title = coalesce(to_name(title, 255), 'Alert ' || left(id::text, 8))
WHERE NOT is_name(title);
