"""What a monitor does for the process that it lives in."""
