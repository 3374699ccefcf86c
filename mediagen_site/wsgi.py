"""The WSGI entry point, for servers that want one; live updates fall back to polling there."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediagen_site.settings")
application = get_wsgi_application()
