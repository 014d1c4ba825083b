DROP TABLE robot_telemetry;
