# One image for every process: `docker run IMAGE web`, `worker`, `push`, `beat`, `ocpp`; see
# docs/deployment.md. It holds no database and no broker: DATABASE_URL and REDIS_URL name yours.
FROM python:3.13-slim AS packages
WORKDIR /app
COPY requirements.txt .
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.13-slim
RUN groupadd --system --gid 1000 cpo && useradd --system --uid 1000 --gid cpo --home-dir /app --shell /usr/sbin/nologin cpo
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY manage.py Procfile Procfile.flower pyproject.toml ./
COPY cpo_platform cpo_platform
COPY locations locations
COPY tariffs tariffs
COPY sessions_app sessions_app
COPY roaming roaming
COPY ocpp_gateway ocpp_gateway
COPY templates templates
COPY static static
COPY locale locale
COPY docs/openapi docs/openapi
ENV VAR_DIR=/app/var HOST=0.0.0.0 OCPP_HOST=0.0.0.0 PYTHONUNBUFFERED=1 LOG_FORMAT=json
# Static files are part of the image; nothing else is written at run time.
RUN mkdir var && SECRET_KEY=only-for-collecting .venv/bin/python manage.py collectstatic --noinput -v0 && chown -R cpo:cpo var
# By number: Kubernetes sees only then that it is not root (runAsNonRoot).
USER 1000:1000
EXPOSE 8000 9000
ENTRYPOINT [".venv/bin/python", "-m", "cpo_platform.runner", "start"]
CMD ["web"]
