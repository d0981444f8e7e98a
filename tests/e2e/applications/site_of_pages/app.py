"""A Django application whose templates are in its package (APP_DIRS) and beside it (DIRS)."""

import pathlib

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

BASE = pathlib.Path(__file__).resolve().parent
settings.configure(
    SECRET_KEY="tests only", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["pages"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE / "templates"],
                "APP_DIRS": True}])


def index(request):
    return render(request, "pages/index.html", {"name": request.GET.get("name", "<nobody>")})


urlpatterns = [path("", index)]
app = get_wsgi_application()
