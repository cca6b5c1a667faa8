"""The one application of a Django project. It is ready in the parent of a reloader, and in every command, too."""

from __future__ import annotations

from django.apps import AppConfig


class Shop(AppConfig):
    """Has its guest when it is ready."""

    name = "django_shop"

    def ready(self) -> None:
        """Import it: what starts at import starts here."""
        import variant

        self.guest = variant.monitor
