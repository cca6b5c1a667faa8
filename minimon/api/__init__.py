"""The REST interface: vitals of the host, long requests as tasks, users and roles."""
