"""Settings, read from the environment: `.env.example` lists every variable.

Grouped as in Django's reference, the libraries' and our own at the end.
"""

import os
import ssl
import sys
from urllib.parse import urlsplit

import django_stubs_ext
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from cpo_platform import environment as env
from cpo_platform import headers
from cpo_platform.runner import processes, servers

# Admin and form classes name their model: `ModelAdmin[Tariff]`.
django_stubs_ext.monkeypatch()

BASE_DIR = env.BASE_DIR
TESTING = env.testing()

env.load_dotenv()
# Everything that is written at run time: data of the embedded servers, secrets, static files.
VAR_DIR = env.var_dir()

if TESTING:
    servers.ensure_for_tests(VAR_DIR)
else:
    # A command that is typed beside `make run` is of the same platform: its port, its partners.
    for _name, _value in servers.chosen_by_run(VAR_DIR).items():
        os.environ.setdefault(_name, _value)
_EMBEDDED = servers.known_urls(VAR_DIR)

PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
# How partners and staff reach us: OCPI answers hold absolute addresses made from it.
PUBLIC_URL = env.base_url("PUBLIC_URL", f"http://localhost:{PORT}")
_PUBLIC = urlsplit(PUBLIC_URL)
_HTTPS = _PUBLIC.scheme == "https"

# Core

DEBUG = env.flag("DEBUG", default=False)
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]", _PUBLIC.hostname or "localhost")
)
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "cpo_platform.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "csp",
    "django_celery_beat",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "cpo_platform",
    "tariffs",
    "locations",
    "sessions_app",
    "roaming",
    "ocpp_gateway",
    "cpo_platform.upkeep",
    "cpo_platform.staff",
    "cpo_platform.audit",
    "cpo_platform.sites",
    "cpo_platform.workplace",
    "cpo_platform.alerting",
    "cpo_platform.bulk",
]
MIDDLEWARE = [
    "cpo_platform.upkeep.middleware.Observed",
    "cpo_platform.upkeep.middleware.Probes",
    "cpo_platform.straight.StraightToOcpi",
    "django.middleware.security.SecurityMiddleware",
    "cpo_platform.headers.PermissionsPolicy",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "cpo_platform.signing_in.middleware.SecondFactorRequired",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "cpo_platform.audit.middleware.ActingPerson",
]
ROOT_URLCONF = "cpo_platform.urls"
WSGI_APPLICATION = "cpo_platform.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Database

_DATABASE = env.database("DATABASE_URL", _EMBEDDED.get("DATABASE_URL", ""))
_DATABASE_OPTIONS = {"connect_timeout": 5, **_DATABASE.get("OPTIONS", {})}
if TESTING:
    # CDRs refuse TRUNCATE, which is how Django empties tables between tests that commit.
    _DATABASE_OPTIONS["options"] = "-c cpo.allow_truncate=on"
DATABASES = {
    "default": {
        **_DATABASE,
        # Kept per thread, not pooled: a pool's threads do not survive Celery's fork.
        "CONN_MAX_AGE": env.integer("DATABASE_CONN_MAX_AGE", 60),
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
        "OPTIONS": _DATABASE_OPTIONS,
    }
}
# A standby that what reads much is read from (`common.replica`); tests say by themselves which.
_REPLICA = {} if TESTING else env.database("DATABASE_REPLICA_URL")
if _REPLICA.get("NAME"):
    DATABASES["replica"] = {
        **DATABASES["default"],
        **_REPLICA,
        # Whoever reads waits for it: it is given up soon, for the primary.
        "OPTIONS": {"connect_timeout": 2, "tcp_user_timeout": 5000, **_REPLICA.get("OPTIONS", {})},
    }
# How late it may be, in seconds; while it is later, the primary is read.
REPLICA_LAG_SECONDS = env.integer("REPLICA_LAG_SECONDS", 10, minimum=1)

# Globalization

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ja", _("Japanese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
# A web address typed without a scheme is https, as it will be from Django 6.0 on.
FORMS_URLFIELD_ASSUME_HTTPS = True

# Logging

LOG_FORMAT = env.choice("LOG_FORMAT", ("line", "json"), "line")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_LEVEL = env.choice("LOG_LEVEL", LOG_LEVELS, "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "cpo_platform.logs.LineFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s%(cause)s: %(message)s",
        },
        "json": {"()": "cpo_platform.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # Django's own handlers would print every line a second time.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # A line for each of the beat's wake-ups, and for each charger's connection, would bury
        # everything else.
        **{
            name: {"level": max(LOG_LEVEL, "WARNING", key=LOG_LEVELS.index)}
            for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace", "websockets")
        },
    },
}

# Security

try:
    SECRET_KEY = env.text("SECRET_KEY") or processes.secret(VAR_DIR / "secret-key")
except OSError as error:
    raise ImproperlyConfigured(
        f"SECRET_KEY is unset and cannot be kept in {VAR_DIR}: {error.strerror}."
    ) from error
CSRF_TRUSTED_ORIGINS = [f"{_PUBLIC.scheme}://{_PUBLIC.netloc}"]
CSRF_FAILURE_VIEW = "cpo_platform.signing_in.refusals.csrf_failure"
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 3600 if _HTTPS else 0)
# We speak HTTP only: where partners speak HTTPS, a proxy of ours stands between and says so.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_SSL_REDIRECT = False
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Where the tiles of the map come from; unset: from nowhere.
MAP_TILE_URL = env.text("MAP_TILE_URL")
MAP_ATTRIBUTION = env.text("MAP_ATTRIBUTION")
CONTENT_SECURITY_POLICY = headers.for_staff(MAP_TILE_URL)
# How many proxies of ours a request has passed: the client's address is what the outermost of them
# wrote into X-Forwarded-For. What stands before that, the client may have written itself.
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 1 if _HTTPS else 0, maximum=10)
SESSION_ENGINE = "cpo_platform.signing_in.session_store"
SESSION_COOKIE_AGE = env.integer("SESSION_HOURS", 12, minimum=1, maximum=24 * 30) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # that redirect is the proxy's
    # Other hosts of the domain are not ours to decide on.
    "security.W005",
    "security.W021",
]
PASSWORD_HASHERS = (
    ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a real one is slow on purpose
    if TESTING
    else [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ]
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Signing in: `cpo_platform/signing_in`

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
LOGOUT_REDIRECT_URL = "account_login"
AUTHENTICATION_BACKENDS = ["cpo_platform.staff.backends.StaffBackend"]
# Who has to have a second factor: nobody, who may change users, or everybody.
REQUIRE_2FA = env.choice("REQUIRE_2FA", ("never", "admins", "all"), "all" if _HTTPS else "never")
ACCOUNT_ADAPTER = "cpo_platform.signing_in.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "cpo_platform.signing_in.forms.LoginForm",
    "reauthenticate": "cpo_platform.signing_in.forms.ReauthenticateForm",
    "change_password": "cpo_platform.signing_in.forms.ChangePasswordForm",
    "reset_password": "cpo_platform.signing_in.forms.ResetPasswordForm",
    "reset_password_from_key": "cpo_platform.signing_in.forms.ResetPasswordKeyForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _PUBLIC.scheme
# Sessions end by SESSION_HOURS, whether the browser is closed or not.
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
MFA_ADAPTER = "cpo_platform.signing_in.adapters.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "cpo_platform.signing_in.forms.AuthenticateForm",
    "reauthenticate": "cpo_platform.signing_in.forms.ReauthenticateByCodeForm",
    "activate_totp": "cpo_platform.signing_in.forms.ActivateTotpForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "CPO platform"
# The clock of a telephone may be half a minute off.
MFA_TOTP_TOLERANCE = 1
# E-mail addresses are written by who makes users; nobody signs up.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# Signing in at another place, by OpenID Connect; the address of the provider's issuer
OIDC_ISSUER = env.text("OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("OIDC_NAME", "OpenID Connect")
# The claim that names a person's groups; unset: groups are given here.
OIDC_ROLE_CLAIM = env.text("OIDC_ROLE_CLAIM")
OIDC_IS_ON = bool(OIDC_ISSUER and OIDC_CLIENT_ID and OIDC_CLIENT_SECRET)
SOCIALACCOUNT_ADAPTER = "cpo_platform.signing_in.adapters.ProviderAdapter"
# Nothing is changed by a link to the provider but who is asked to sign in there.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, object]] = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_ISSUER},
            }
        ]
        if OIDC_IS_ON
        else [],
    }
}

# E-mail: unset, none is sent, and forgotten passwords are set anew by an administrator

_EMAIL = env.email("EMAIL_URL")
EMAIL_IS_ON = bool(_EMAIL)
EMAIL_BACKEND = _EMAIL.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_HOST = _EMAIL.get("EMAIL_HOST", "localhost")
EMAIL_PORT = _EMAIL.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _EMAIL.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _EMAIL.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _EMAIL.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _EMAIL.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", f"cpo-platform@{_PUBLIC.hostname}")

# Templates and static files

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
                "cpo_platform.signing_in.context.frame",
                "cpo_platform.admin_site.section",
            ],
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [directory for directory in (BASE_DIR / "static",) if directory.is_dir()]
# Names with hashes need collectstatic, which tests and `DEBUG=true manage.py runserver` do without.
_UNHASHED = DEBUG or TESTING
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if _UNHASHED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = _UNHASHED

# Celery

REDIS_URL = env.redis_url("REDIS_URL", _EMBEDDED.get("REDIS_URL", ""))
# What signing in counts, so that no process lets in what another one has refused.
CACHES = {
    "default": {
        "BACKEND": "cpo_platform.common.cache.PatientCache",
        "LOCATION": REDIS_URL or "redis://localhost",
        "KEY_PREFIX": "cpo:cache",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
}
# Another server may carry the tasks; gateways, limits and figures need Redis all the same. Tests
# wipe their broker.
_OWN_BROKER = "" if TESTING else env.broker_url("CELERY_BROKER_URL")
BROKER_IS_APART = bool(_OWN_BROKER)
CELERY_BROKER_URL = _OWN_BROKER or REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A commit waits for it at most.
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": 3600}
    if CELERY_BROKER_URL.startswith("redis")
    # RabbitMQ stops reading where its memory or its disk is full.
    else {"write_timeout": 2}
)
# The library would take any certificate.
CELERY_BROKER_USE_SSL = (
    {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
    if CELERY_BROKER_URL.startswith("amqps:")
    else None
)
CELERY_TASK_DEFAULT_QUEUE = "cpo"
# What is pushed has workers of its own: they wait for partners, many at a time, in threads.
CELERY_TASK_ROUTES = {
    "roaming.wake_feeds": {"queue": "push"},
    "roaming.drain_feed": {"queue": "push"},
    # These wait for partners as well, and for hours if a partner is slow.
    "roaming.pull_partner": {"queue": "push"},
    "roaming.check_drift": {"queue": "push"},
    "roaming.renew_registrations": {"queue": "push"},
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 4.0
CELERY_TIMEZONE = "UTC"
# Never: `cpo_platform.celery` looks after them.
CELERY_DB_REUSE_MAX = sys.maxsize
# The schedules are kept in the database, where people change them; these are their defaults.
CELERY_BEAT_SCHEDULER = "cpo_platform.upkeep.beat:Scheduler"
# What a lost wake-up missed is caught here, so that wiping the broker loses nothing.
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    "wake-feeds": {"task": "roaming.wake_feeds", "schedule": 2.0, "options": {"expires": 2}},
    "announce-due": {
        "task": "roaming.announce_due",
        "schedule": 2.0,
        "options": {"expires": 2},
    },
    "skip-others-changes": {
        "task": "roaming.skip_others_changes",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "expire-commands": {
        "task": "roaming.expire_commands",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "expire-profile-requests": {
        "task": "roaming.expire_profile_requests",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "advance-simulated-stations": {
        "task": "sessions_app.advance_simulated_stations",
        "schedule": 2.0,
        "options": {"expires": 2},
    },
    "digest-news": {
        "task": "ocpp_gateway.digest_news",
        "schedule": 1.0,
        "options": {"expires": 1},
    },
    "tend-stations": {
        "task": "ocpp_gateway.tend_stations",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "tidy-station-messages": {"task": "ocpp_gateway.tidy", "schedule": 3600.0},
    "turn-tariffs": {
        "task": "roaming.turn_tariffs",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "tend-reservations": {
        "task": "sessions_app.tend_reservations",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "tend-replays": {
        "task": "sessions_app.tend_replays",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "tidy": {"task": "roaming.tidy", "schedule": 3600.0},
    "watch-rules": {"task": "alerting.watch", "schedule": 30.0, "options": {"expires": 30}},
    "deliver-notifications": {
        "task": "alerting.deliver",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    # The first count of each hour is kept.
    "count-attention": {"task": "workplace.count_attention", "schedule": 1800.0},
    "tidy-alerts": {"task": "alerting.tidy", "schedule": 3600.0},
    "tend-bulk-jobs": {"task": "bulk.tend", "schedule": 30.0, "options": {"expires": 30}},
    "tidy-bulk-jobs": {"task": "bulk.tidy", "schedule": 3600.0},
    "tidy-audit": {"task": "audit.tidy", "schedule": 3600.0},
    "tidy-statuses": {"task": "locations.tidy", "schedule": 3600.0},
    # Each site once a day, some hundred at a time.
    "check-quality": {
        "task": "sites.check_quality",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    # A day is done once, after midnight UTC; twice an hour, so that what was missed is made up for.
    "tally-uptime": {
        "task": "locations.tally_uptime",
        "schedule": 1800.0,
        "options": {"expires": 1800},
    },
    # At one in the morning, UTC; the partners follow at random moments of the next hours.
    "check-drift": {
        "task": "roaming.check_drift_nightly",
        "schedule": crontab(hour="1", minute="0"),
    },
    "tend-drift-checks": {
        "task": "roaming.tend_drift_checks",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "pull-partners": {"task": "roaming.pull_partners", "schedule": 600.0},
    "renew-registrations": {"task": "roaming.renew_registrations", "schedule": 3600.0},
}

# Django REST framework: closed to all; the OCPI views say who may come in.

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}

# The description of what partners may call: `roaming/ocpi/description`

SPECTACULAR_SETTINGS = {
    # Its schemas are JSON Schemas proper, as those that we check what we send against.
    "OAS_VERSION": "3.1.0",
    # In the order of the table that it is made from.
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}

# Unfold

UNFOLD = {
    "SITE_TITLE": "CPO platform",
    "SITE_HEADER": "CPO platform",
    "SITE_SYMBOL": "ev_station",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "SHOW_LANGUAGES": True,
    "DASHBOARD_CALLBACK": "cpo_platform.workplace.home.dashboard",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "sizes": "any",
            "href": lambda request: static("cpo/favicon.svg"),  # noqa: ARG005
        }
    ],
    "STYLES": [lambda request: static("cpo/admin.css")],  # noqa: ARG005
    "SCRIPTS": [
        lambda request: static("cpo/bell.js"),  # noqa: ARG005
        lambda request: static("cpo/accessible.js"),  # noqa: ARG005
    ],
    "ACCOUNT": {
        "navigation": [{"title": _("My account"), "link": reverse_lazy("account_overview")}]
    },
    "SIDEBAR": {"show_search": False, "navigation": "cpo_platform.admin_site.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .013 236.62)",
            "100": "oklch(95.1% .026 236.824)",
            "200": "oklch(90.1% .058 230.902)",
            "300": "oklch(82.8% .111 230.318)",
            "400": "oklch(74.6% .16 232.661)",
            "500": "oklch(62% .15 240)",
            "600": "oklch(52% .14 245)",
            "700": "oklch(46% .13 246)",
            "800": "oklch(40% .11 246)",
            "900": "oklch(34% .09 246)",
            "950": "oklch(27% .07 246)",
        },
    },
}

# The platform's own

# How a command reaches a charger, and how an eMSP is asked about a token: dotted paths.
STATION_CONTROL = env.text(
    "STATION_CONTROL",
    "sessions_app.simulator.SimulatedStations"
    if TESTING
    else "ocpp_gateway.station_control.OcppStations",
)
REALTIME_AUTHORIZER = env.text("REALTIME_AUTHORIZER", "roaming.authorizing.OcpiAuthorizer")
# Who remembers which tokens came with a command: those are not asked about again.
COMMANDED_TOKENS = "roaming.commanded.CommandLog"
# Who knows which tariffs are for one eMSP only.
OWN_TARIFFS = "roaming.own_tariffs.PartnerTariffs"
# Who knows which rows a person of staff may see.
STAFF_SCOPE = "cpo_platform.staff.scopes.scope_of"
# What monitoring shows to read /metrics; unset: it is answered to this machine only.
METRICS_TOKEN = env.text("METRICS_TOKEN")
# Where Flower listens, if it runs: asked by us, for people who may see Operations.
_FLOWER_PORT = env.integer("FLOWER_PORT", 0, maximum=65535)
FLOWER_URL = env.internal_url(
    "FLOWER_URL", f"http://127.0.0.1:{_FLOWER_PORT}" if _FLOWER_PORT else ""
)
# How many workers one bulk change may have at a time, if nobody else needs them.
BULK_LANES = env.integer("BULK_LANES", 2, minimum=1, maximum=64)
# How late changes may be told before /readyz calls the platform degraded, in seconds.
READY_FEED_LAG_SECONDS = env.integer("READY_FEED_LAG_SECONDS", 300, minimum=1)
# Whether we call partners at private addresses; on the internet that is an attack on ourselves.
OUTBOUND_ALLOW_PRIVATE = env.flag("OUTBOUND_ALLOW_PRIVATE", default=False)
# The first encrypts, all decrypt; none: one derived from SECRET_KEY.
FIELD_ENCRYPTION_KEYS = env.words("FIELD_ENCRYPTION_KEYS")
# Requests a minute that a partner may send, and that an address may send with no token that we
# know; 0: any number.
OCPI_REQUESTS_PER_MINUTE = env.integer("OCPI_REQUESTS_PER_MINUTE", 0 if TESTING else 6000)
OCPI_UNKNOWN_PER_MINUTE = env.integer("OCPI_UNKNOWN_PER_MINUTE", 0 if TESTING else 60)
# The currency of a session at a connector that has no tariff (ISO 4217).
DEFAULT_CURRENCY = env.text("DEFAULT_CURRENCY", "EUR")
# How long a worker that died keeps a partner's feed; longer than the slowest answer we wait for.
FEED_LEASE_SECONDS = env.integer("FEED_LEASE_SECONDS", 15, minimum=1, maximum=600)
# How long changes are kept for partners that are away; after that they are sent all they may see.
FEED_RETENTION_DAYS = env.integer("FEED_RETENTION_DAYS", 7, minimum=1, maximum=365)
# How long changes are gathered before they are sent, in milliseconds.
PUSH_GATHER_MS = env.integer("PUSH_GATHER_MS", 30, maximum=10_000)
# So many lanes of partners are served at a time by one `push` process, three to a partner.
PUSH_CONCURRENCY = env.integer("PUSH_CONCURRENCY", 200, minimum=1, maximum=10_000)
# Connections to one partner, for each lane.
PUSH_CONNECTIONS = env.integer("PUSH_CONNECTIONS", 32, minimum=1, maximum=256)
# How often the progress of a running session is pushed at most, in seconds; 0: each meter value.
SESSION_UPDATE_SECONDS = env.integer("SESSION_UPDATE_SECONDS", 60, maximum=3600)
# How long the tokens before an exchange stay good, in minutes: its answer may have been lost.
TOKEN_GRACE_MINUTES = env.integer("TOKEN_GRACE_MINUTES", 10, maximum=1440)
# Tokens older than this are exchanged by themselves, in days; 0: never (OCPI: at least monthly).
TOKEN_RENEWAL_DAYS = env.integer("TOKEN_RENEWAL_DAYS", 28, maximum=366)
# Endpoints without which we do not register an eMSP, such as `cdrs:RECEIVER,tokens:SENDER`.
REQUIRED_ENDPOINTS = env.words("REQUIRED_ENDPOINTS")
# How often partners' tokens are pulled, in hours, give or take a quarter; 0: never.
TOKEN_PULL_HOURS = env.integer("TOKEN_PULL_HOURS", 4, maximum=168)
# Objects of each kind whose copies are compared at every partner each night; 0: none.
DRIFT_SAMPLE = env.integer("DRIFT_SAMPLE", 100, maximum=100_000)
# eMSPs that are asked about a token that nobody gave us, in this order, such as `NL*EMS`.
ASK_UNKNOWN_TOKENS = env.words("ASK_UNKNOWN_TOKENS")
# How often a partner may set, clear or ask for the charging profile of one session, per minute.
PROFILE_REQUESTS_PER_MINUTE = env.integer("PROFILE_REQUESTS_PER_MINUTE", 10, minimum=1)
# How many reservations an eMSP may have at a time: RESERVE_NOW must not empty the network.
RESERVATIONS_PER_EMSP = env.integer("RESERVATIONS_PER_EMSP", 200, minimum=1)
# What holds a CDR for staff; 0: not checked. A session this long, in hours; a meter that was silent
# for so long before the end, in minutes; a cost above this, before taxes, in the tariff's currency.
CDR_LONGEST_HOURS = env.integer("CDR_LONGEST_HOURS", 168)
CDR_SILENT_MINUTES = env.integer("CDR_SILENT_MINUTES", 120)
CDR_MOST_COST = env.integer("CDR_MOST_COST", 0)
# Which exchanges with partners are kept, and for how many days; their bodies, shorter (0: none).
MESSAGE_LOG = env.choice("MESSAGE_LOG", ("all", "errors", "off"), "all")
MESSAGE_LOG_DAYS = env.integer("MESSAGE_LOG_DAYS", 30, minimum=1, maximum=3650)
MESSAGE_BODY_DAYS = env.integer("MESSAGE_BODY_DAYS", 7, maximum=3650)
# Where chargers connect: their part of the address is /ocpp/ and their identity.
OCPP_HOST = env.text("OCPP_HOST", env.text("HOST", "127.0.0.1"))
OCPP_PORT = env.integer("OCPP_PORT", min(PORT + 1000, 65535), minimum=1, maximum=65535)
# TLS by the gateway itself; unset where a proxy in front of it does that.
OCPP_TLS_CERTIFICATE = env.text("OCPP_TLS_CERTIFICATE")
OCPP_TLS_KEY = env.text("OCPP_TLS_KEY")
# What becomes of a station that nobody has placed: it is listed for staff, or turned away.
OCPP_STRANGERS = env.choice("OCPP_STRANGERS", ("hold", "refuse"), "hold")
# So many strangers are listed at most.
OCPP_MOST_STRANGERS = env.integer("OCPP_MOST_STRANGERS", 200)
# Whether a station in service must show a password (OCPP security profiles 1 and 2).
OCPP_REQUIRE_PASSWORD = env.flag("OCPP_REQUIRE_PASSWORD", default=True)
OCPP_HEARTBEAT_SECONDS = env.integer("OCPP_HEARTBEAT_SECONDS", 300, minimum=10, maximum=86_400)
# How long a station may take to answer a call of ours.
OCPP_CALL_SECONDS = env.integer("OCPP_CALL_SECONDS", 30, minimum=1, maximum=600)
OCPP_MAX_CONNECTIONS = env.integer("OCPP_MAX_CONNECTIONS", 20_000, minimum=1)
OCPP_MAX_MESSAGE_BYTES = env.integer("OCPP_MAX_MESSAGE_BYTES", 262_144, minimum=1024)
# One station's messages a minute; it may send ten seconds' worth at once. More is read later.
OCPP_MESSAGES_PER_MINUTE = env.integer("OCPP_MESSAGES_PER_MINUTE", 600, minimum=6)
# How long a station may be away before its EVSEs are UNKNOWN to partners.
OCPP_OFFLINE_GRACE_SECONDS = env.integer("OCPP_OFFLINE_GRACE_SECONDS", 300, maximum=86_400)
# How long what stations said is kept; sessions are made of it, so longer than any of them lasts.
OCPP_MESSAGE_DAYS = env.integer("OCPP_MESSAGE_DAYS", 90, minimum=14, maximum=3650)
# How many months the audit is kept beside the present one; 0: for ever.
AUDIT_RETENTION_MONTHS = env.integer("AUDIT_RETENTION_MONTHS", 0, maximum=1200)
# How many months the statuses of EVSEs are kept beside the present one, and the totals of each day
# that are made of them; 0: for ever.
STATUS_HISTORY_MONTHS = env.integer("STATUS_HISTORY_MONTHS", 13, maximum=1200)
UPTIME_HISTORY_MONTHS = env.integer("UPTIME_HISTORY_MONTHS", 37, maximum=1200)
# The share of time, in per cent, that EVSEs should be up: a line in charts, and what is below it.
UPTIME_GOAL = env.percent("UPTIME_GOAL", 97.0)
# Requests of partners are written down by a thread; tests write them when they look.
MESSAGE_LOG_THREAD = not TESTING
