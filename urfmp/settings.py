"""Settings of every process; environment variables configure an installation.

`.env.example` lists each variable, and a test compares the two.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django import VERSION
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from whitenoise.compress import Compressor

from urfmp.api_settings import REST_FRAMEWORK, SPECTACULAR_SETTINGS  # noqa: F401 - settings
from urfmp.common.log_filters import FILTERS, LOGGERS
from urfmp.env import (
    database_from_url,
    encryption_keys,
    env_bool,
    env_choice,
    env_int,
    env_list,
    env_str,
    mailer,
)
from urfmp.pages.theme import UNFOLD  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = env_str("SECRET_KEY", "only-for-development" if DEBUG else None)
if not DEBUG and len(SECRET_KEY) < 32:
    msg = "SECRET_KEY is shorter than 32 characters; generate one, see .env.example."
    raise ImproperlyConfigured(msg)
# Stored secrets, such as TOTP secrets, are encrypted with the highest-numbered key.
ENCRYPTION_KEYS = encryption_keys(
    env_str("ENCRYPTION_KEYS", "1:only-for-development" if DEBUG else None), lenient=DEBUG
)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")

# A proxy puts web and live under this origin.
WEB_ORIGIN = env_str("WEB_ORIGIN", "http://127.0.0.1:8000")

INSTALLED_APPS = [
    "urfmp.db",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "urfmp.pages.apps.PagesConfig",
    "urfmp.live",
    "urfmp.demo",
    "urfmp.pages.apps.FleetAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    # Newer versions of Django require it for array fields and GIN indexes.
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "apps.audit",
    "apps.accounts",
    "apps.organizations",
    "apps.robots",
    "apps.telemetry",
    "apps.maintenance",
    "apps.alerts",
]

MIDDLEWARE = [
    # Before all middleware that may reject a request.
    "urfmp.common.http.middleware.ContentSecurityPolicyMiddleware",
    "urfmp.common.http.middleware.ClientAddressMiddleware",
    "urfmp.common.http.middleware.RequestIdMiddleware",
    "urfmp.common.http.middleware.CacheControlMiddleware",
    "urfmp.common.http.middleware.ErrorFormatMiddleware",
    "urfmp.common.http.middleware.StreamStartMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.accounts.middleware.session.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.accounts.middleware.access_denied.AccessDeniedAuditMiddleware",
    "urfmp.pages.step_up.StepUpMiddleware",
    "apps.robots.middleware.RobotContactMiddleware",
    "apps.accounts.middleware.principal.PrincipalMiddleware",
]

ROOT_URLCONF = "urfmp.urls"
WSGI_APPLICATION = "urfmp.wsgi.application"

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
            ],
        },
    },
]

# `default` is the runtime role, subject to row-level security; `owner` runs migrations and flush.
DATABASE_ENGINE = "urfmp.db.backends.postgresql"
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **database_from_url(env_str("DATABASE_URL"), engine=DATABASE_ENGINE),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "TENANT_WALL": True,
    },
}
if _migration_url := env_str("MIGRATION_DATABASE_URL", ""):
    DATABASES["owner"] = database_from_url(_migration_url, engine=DATABASE_ENGINE)
for _database in DATABASES.values():
    for _option, _value in (
        ("application_name", "urfmp"),
        # Seconds. A server that hangs is detected by `hang_detection`; these settings let the
        # kernel close a connection of which the network drops every packet.
        ("connect_timeout", 2),
        ("keepalives_idle", 10),
        ("keepalives_interval", 5),
        ("keepalives_count", 3),
        ("tcp_user_timeout", 15_000),  # milliseconds
    ):
        _database["OPTIONS"].setdefault(_option, _value)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis is optional at run time: short timeouts, and every error counts as a miss.
REDIS_URL = env_str("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "urfmp.common.redis.cache.FailOpenRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "urfmp",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.25,
            "SOCKET_TIMEOUT": 0.5,
        },
    },
}

# Users and sessions
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.auth.backends.EmailBackend"]
PASSWORD_HASHERS = ["apps.accounts.auth.hashers.BoundedArgon2Hasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "urfmp.common.security.password_validators.LengthValidator"},
    {"NAME": "urfmp.common.security.password_validators.BlockListValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
SESSION_ENGINE = "apps.accounts.services.session_store"
SESSION_COOKIE_AGE = int(timedelta(hours=24).total_seconds())
SESSION_IDLE = timedelta(hours=1)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# Transport. INSECURE_HTTP is for the demo and for tests: cookies without Secure, no HSTS.
INSECURE_HTTP = env_bool("INSECURE_HTTP", default=DEBUG)
SECURE_SSL_REDIRECT = not INSECURE_HTTP
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
SECURE_HSTS_SECONDS = 0 if INSECURE_HTTP else int(timedelta(days=365).total_seconds())
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
TRUST_PROXY = env_bool("TRUST_PROXY", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not INSECURE_HTTP
SESSION_COOKIE_NAME = "urfmp_session" if INSECURE_HTTP else "__Host-session"
CSRF_COOKIE_NAME = "urfmp_csrf" if INSECURE_HTTP else "__Host-csrf"
CSRF_TRUSTED_ORIGINS = [WEB_ORIGIN]
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "urfmp.pages.expired_form.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "style-src": [SELF],
        "script-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# E-mail: to a mail server, or into files for a demo; in development onto the console.
MAIL_FOLDER = env_str("EMAIL_FOLDER", "")
_email_security = env_choice("EMAIL_SECURITY", ("starttls", "tls", "none"))
_mail_server: dict[str, Any] = {
    "host": env_str("EMAIL_HOST", ""),
    "port": env_int("EMAIL_PORT", default={"tls": 465, "none": 25}.get(_email_security, 587)),
    "username": env_str("EMAIL_USER", ""),
    "password": env_str("EMAIL_PASSWORD", ""),
    "use_tls": _email_security == "starttls",
    "use_ssl": _email_security == "tls",
    "timeout": 10,
}
_mailer = mailer(_mail_server, MAIL_FOLDER)
if VERSION >= (6, 1):
    MAILERS = {"default": _mailer}
else:  # Older versions have separate settings.
    EMAIL_BACKEND, EMAIL_FILE_PATH = _mailer["BACKEND"], MAIL_FOLDER
    EMAIL_HOST, EMAIL_PORT = _mail_server["host"], _mail_server["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail_server["username"], _mail_server["password"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail_server["use_tls"], _mail_server["use_ssl"]
    EMAIL_TIMEOUT = _mail_server["timeout"]
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "URFMP <urfmp@localhost>")
MAIL_IS_CONFIGURED = bool(_mail_server["host"] or MAIL_FOLDER or DEBUG)

# Time and language. Pages convert to the user's timezone.
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "urfmp.common.rendering.locale"
USE_I18N = True

# Files
STATIC_URL = "static/"
STATIC_ROOT = Path(env_str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Copies without a hash and source maps, which no page requests, would double the collection time.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
# A batch of telemetry is at most 8 MB; nothing else comes near it.
TELEMETRY_MAX_BODY_BYTES = 8 * 1024 * 1024
TELEMETRY_MAX_POINTS = 10_000
DATA_UPLOAD_MAX_MEMORY_SIZE = TELEMETRY_MAX_BODY_BYTES
# Uploaded files, which Django writes to a temporary folder unless they are small.
MAX_UPLOAD_BYTES = 32 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "urfmp.common.http.uploads.UploadLimitHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# Robots without contact for longer than this are offline, unless organization or robot have a
# value of their own.
ROBOT_OFFLINE_AFTER = timedelta(
    seconds=env_int("ROBOT_OFFLINE_AFTER_SECONDS", default=60, minimum=5)
)

# Signed checkpoints of the audit log; disabled without a folder.
AUDIT_CHECKPOINT_DIR = env_str("AUDIT_CHECKPOINT_DIR", "")
AUDIT_CHECKPOINT_KEY = env_str("AUDIT_CHECKPOINT_KEY", "" if not AUDIT_CHECKPOINT_DIR else None)

# Private networks that organizations may allow for their webhooks.
OUTGOING_PRIVATE_NETWORKS = env_list("OUTGOING_PRIVATE_NETWORKS")

# Requests a minute of all API keys of an organization; 0 for unlimited. Each key has its own limit.
ORGANIZATION_RATE_LIMIT = env_int("ORGANIZATION_RATE_LIMIT", default=120_000)
RATE_LIMIT_PREFIX = "urfmp:limit:"

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"

LOGGING_CONFIG = "urfmp.common.security.redaction.configure_logging"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["database_outage", "client_limit"],
        }
    },
    "root": {"handlers": ["console"], "level": env_str("LOG_LEVEL", "INFO")},
    "filters": FILTERS,
    "loggers": LOGGERS,
}
