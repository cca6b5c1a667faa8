"""A Celery application whose broker and results are folders: it needs no network."""

from __future__ import annotations

import os
import pathlib

from celery import Celery
from celery.signals import worker_process_init
from variant import answer, hold, start_worker

FOLDER = pathlib.Path(__file__).resolve().parent / "broker"
for name in ("messages", "processed", "control", "results"):
    (FOLDER / name).mkdir(parents=True, exist_ok=True)

app = Celery("shop", broker="filesystem://", backend=f"file://{FOLDER / 'results'}")
app.conf.broker_transport_options = {
    "data_folder_in": str(FOLDER / "messages"),
    "data_folder_out": str(FOLDER / "messages"),
    "processed_folder": str(FOLDER / "processed"),
    "control_folder": str(FOLDER / "control"),
    "polling_interval": 0.05,
}
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
worker_process_init.connect(start_worker)


@app.task
def asked(path: str, query: str) -> tuple[int, int, str]:
    """What the process of the pool that gets the task says of the guest."""
    hold(query)
    status, body = answer(path)
    return os.getpid(), status, body.decode()
