"""All settings, from the environment (see .env.example); nothing here is edited to run Mediagen somewhere."""

from __future__ import annotations

from csp.constants import NONE, SELF

from .environment import BASE_DIR, database, env, host_ports, secret, var_dir

# -- where things lie ---------------------------------------------------------------------------------------------------
VAR_DIR = var_dir()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = secret("SECRET_KEY", VAR_DIR / "secret_key")
FIELD_KEYS = [key for key in secret("FIELD_KEYS", VAR_DIR / "field_keys").replace(",", "\n").split() if key]
APP_URL = env.str("APP_URL", default="").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[APP_URL] if APP_URL else [])
ADMINS_OPEN_SIGNUP = env.bool("OPEN_SIGNUP", default=False)

# -- applications -------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "mediagen_site",
    "providers",  # rows of the catalogues come first: the later apps' start-up steps build on them
    "accounts",
    "generations",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "lucide",
    "django_q",
]
MIDDLEWARE = [
    "mediagen_site.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mediagen_site.middleware.ContentPolicy",
]
ROOT_URLCONF = "mediagen_site.urls"
ASGI_APPLICATION = "mediagen_site.asgi.application"
WSGI_APPLICATION = "mediagen_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "generations.views.context.frame",
            ]
        },
    }
]

# -- data ---------------------------------------------------------------------------------------------------------------
DATABASES = {"default": database(VAR_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", default="")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": VAR_DIR / "cache"}
    )
}
STORAGE_URL = env.str("STORAGE_URL", default="")
STORAGES = {
    "default": {"BACKEND": "mediagen_site.storage.MediaStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.bool("STATIC_MANIFEST", default=False)
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 60 * 2**20
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20
FILE_UPLOAD_TEMP_DIR = None

# -- people -------------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "mediagen_site.signup.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
MFA_PASSKEY_LOGIN_ENABLED = False
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

# -- the web ------------------------------------------------------------------------------------------------------------
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=APP_URL.startswith("https://"))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=SECURE_COOKIES)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if SECURE_COOKIES else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:", "data:"],
        "media-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
    }
}

# -- the queue (research: a message is a doorbell, the rows are the truth) ----------------------------------------------
LONGEST_SUBMIT = env.int("MEDIAGEN_LONGEST_SUBMIT", default=600)  # seconds; no provider call may be allowed longer
WORKERS = {
    name: env.int(f"WORKERS_{name.upper()}", default=count) for name, count in (("default", 2), ("poll", 1), ("io", 1))
}
_BROKER = {"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}
Q_CLUSTER = {
    "name": "default",
    **_BROKER,
    "workers": WORKERS["default"],
    "poll": 0.2,
    "bulk": 1,
    "queue_limit": max(2, WORKERS["default"]),
    "timeout": 2 * LONGEST_SUBMIT,  # a slice claims for half of the longest call, then waits for what is under way
    "retry": 6 * LONGEST_SUBMIT,
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 500,
    "max_rss": 600_000,
    "log_level": "WARNING",
    "label": "Queue",
    "ALT_CLUSTERS": {
        "poll": {"workers": WORKERS["poll"], "queue_limit": 1, "timeout": 60, "retry": 180, "recycle": 200},
        "io": {"workers": WORKERS["io"], "queue_limit": 1, "timeout": 900, "retry": 2700, "recycle": 15},
    },
}

# -- the interface for programs -----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mediagen_site.rest.authentication.KeyAuthentication",
        "mediagen_site.rest.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mediagen_site.rest.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mediagen_site.rest.parsing.Json"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "mediagen_site.rest.negotiation.Lenient",
    "DEFAULT_PAGINATION_CLASS": "mediagen_site.rest.pagination.KeysetPages",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["mediagen_site.rest.throttling.KeyThrottle"],
    "EXCEPTION_HANDLER": "mediagen_site.rest.problems.handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mediagen",
    "DESCRIPTION": "Every media model behind one interface: submit, follow, fetch, and see what it cost.",
    "VERSION": "v1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["mediagen_site.rest.schema.only_api"],
    "POSTPROCESSING_HOOKS": ["mediagen_site.rest.schema.with_problems"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# -- Mediagen -----------------------------------------------------------------------------------------------------------
MEDIAGEN_ADAPTER_PATHS = env.list("MEDIAGEN_ADAPTER_PATHS", default=[])
MEDIAGEN_PRIVATE_HOSTS = host_ports(env.str("MEDIAGEN_PRIVATE_HOSTS", default=""))
MEDIAGEN_MODE = env.str("MEDIAGEN_MODE", default="live")
MEDIAGEN_MAX_UPLOAD = env.int("MEDIAGEN_MAX_UPLOAD", default=200 * 2**20)
MEDIAGEN_MAX_RESULT = env.int("MEDIAGEN_MAX_RESULT", default=2 * 2**30)
MEDIAGEN_MAX_PIXELS = env.int("MEDIAGEN_MAX_PIXELS", default=100_000_000)
MEDIAGEN_FETCH_SECONDS = env.int("MEDIAGEN_FETCH_SECONDS", default=600)
MEDIAGEN_FIND_SECONDS = env.int("MEDIAGEN_FIND_SECONDS", default=60)
MEDIAGEN_LEASE = env.int("MEDIAGEN_LEASE", default=30)
MEDIAGEN_UNKNOWN_HOURS = env.int("MEDIAGEN_UNKNOWN_HOURS", default=24)
MEDIAGEN_QUEUE_HOURS = env.int("MEDIAGEN_QUEUE_HOURS", default=24)
MEDIAGEN_DEMO_CREDITS = env.int("MEDIAGEN_DEMO_CREDITS", default=1000)

LANGUAGE_CODE = "en"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"redact": {"()": "mediagen_site.logs.Redact"}},
    "formatters": {"line": {"()": "mediagen_site.logs.Formatter", "json": env.bool("LOG_JSON", default=False)}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redact"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django-q": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}

from .unfolded import UNFOLD  # noqa: E402, F401
