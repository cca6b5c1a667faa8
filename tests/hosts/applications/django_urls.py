"""The routes of a Django project: one of them asks the guest, so every command that checks them imports it."""

from __future__ import annotations

import touched
import variant
from django.http import HttpRequest, HttpResponse
from django.urls import path


def shop(request: HttpRequest) -> HttpResponse:
    """The host's own business."""
    return HttpResponse(touched.ANSWER)


def guest(request: HttpRequest) -> HttpResponse:
    """A view that uses the guest."""
    return HttpResponse(variant.answer("/health")[1])


urlpatterns = [path("", shop), path("guest", guest)]
