DROP FUNCTION platform_fleet();
