"""Decision -> Release: deploying, rolling back, cleaning up, history."""
