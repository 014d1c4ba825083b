-- Commands were never handed over before this migration.
UPDATE robot_commands SET status = 'timeout', completed_at = now(),
    error_message = 'The platform did not hand commands over at that time.'
WHERE status IN ('pending', 'pending_approval', 'sent', 'acknowledged', 'executing', 'unknown');
UPDATE robot_commands
SET expires_at = greatest(coalesce(created_at, now()), scheduled_at) + INTERVAL '10 minutes';
