UPDATE maintenance_tasks
SET title = coalesce(to_name(title, 255), 'Task ' || left(id::text, 8))
WHERE NOT is_name(title);
