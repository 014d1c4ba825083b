from __future__ import annotations

from urfmp.settings import *

INSECURE_HTTP = True
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
SESSION_COOKIE_NAME = "urfmp_session"
CSRF_COOKIE_NAME = "urfmp_csrf"
ALLOWED_HOSTS = ["*"]

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MAIL_IS_CONFIGURED = True
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {**CACHES["default"], "KEY_PREFIX": "urfmp-test"}}
# Static files are served by the test server; nothing is collected.
MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("whitenoise.")]
