"""A Celery application, whose workers have no web application: `celery -A celery_app worker`, and one health port.

Each process of the pool starts the monitor: one of them polls, and one listens; others take over when those die.
"""

import os

from celery import Celery
from celery.signals import worker_process_init

from minimon import Check, HealthCheckServer, Monitor

app = Celery("shop", broker=os.environ.get("BROKER", "redis://localhost"))
monitor = Monitor([Check("queue", lambda: True, every=5), Check("search", "http://localhost:9200/", every=15)])
health = HealthCheckServer(port=int(os.environ.get("HEALTH_PORT", "8081")))


@worker_process_init.connect
def start(**told):
    """In each process of the pool; the main process neither polls nor listens."""
    monitor.start_worker()
    health.start(monitor)


@app.task
def orders():
    """The host's own business."""
    monitor.require("search")  # raises NotReadyError
