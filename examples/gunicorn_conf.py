"""Settings of gunicorn, for any WSGI application that is wrapped: `gunicorn -c examples/gunicorn_conf.py`.

The master makes the Monitor and never starts it, preloading or not. A worker would start it at its first request;
the hook below has it poll before anybody asks.
"""

import pathlib

wsgi_app = "wsgi_app:application"
pythonpath = str(pathlib.Path(__file__).parent)
workers = 3
preload_app = True


def post_worker_init(worker):
    """In each worker: one of them polls, the others answer from what it knows, and take over when it dies."""
    from wsgi_app import monitor

    monitor.start_worker()
