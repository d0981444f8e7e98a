"""Settings of production."""

import pathlib

HERE = pathlib.Path(__file__).parent
SECRET_KEY = "tests only"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "views"
MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware", "django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}]
STATIC_URL = "/static/"
STATIC_ROOT = "/tmp"
STATICFILES_DIRS = [HERE / "static"]
WHITENOISE_USE_FINDERS = True
FILE_UPLOAD_TEMP_DIR = "/tmp"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000
LOGGING = {"version": 1, "disable_existing_loggers": False,
           "handlers": {"standard error": {"class": "logging.StreamHandler"}},
           "loggers": {"django": {"handlers": ["standard error"], "level": "ERROR", "propagate": False}}}
