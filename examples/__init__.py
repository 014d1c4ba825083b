"""Examples for the robot side of the API."""
