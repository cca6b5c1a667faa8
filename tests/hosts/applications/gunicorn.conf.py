"""What gunicorn reads where it is started: no socket in the user's home; versions that have none ignore it."""

control_socket_disable = True
