"""The REST interface: vitals of the host, long tasks, users."""
