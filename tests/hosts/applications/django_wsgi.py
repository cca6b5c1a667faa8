"""The WSGI application of a Django project."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from variant import wrap_wsgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_settings")
application = wrap_wsgi(get_wsgi_application())
