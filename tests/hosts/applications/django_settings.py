"""The settings of a Django project."""

DEBUG = True
SECRET_KEY = "for tests only"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django_shop.Shop"]
ROOT_URLCONF = "django_urls"
WSGI_APPLICATION = "django_wsgi.application"
