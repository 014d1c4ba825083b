# One image for migrate, web, live and worker; docker-compose.yml selects the command.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/urfmp
COPY requirements.lock /tmp/requirements.lock
RUN /opt/urfmp/bin/pip install --require-hashes --requirement /tmp/requirements.lock

FROM python:3.11.14-slim-bookworm
ENV PATH=/opt/urfmp/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
RUN groupadd --gid 10001 urfmp \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin urfmp \
    && install --directory --owner=10001 --group=10001 /var/lib/urfmp/checkpoints
WORKDIR /app
COPY --from=build /opt/urfmp /opt/urfmp
COPY manage.py ./
COPY urfmp urfmp
COPY apps apps
COPY examples examples
COPY templates templates
# No connection is made here: the settings only require the variables.
RUN SECRET_KEY=collectstatic-needs-some-key-that-is-long-enough \
    ENCRYPTION_KEYS=1:collectstatic-needs-some-key-that-is-long-enough \
    DATABASE_URL=postgresql://urfmp_app@localhost/urfmp REDIS_URL=redis://localhost \
    python manage.py collectstatic --noinput \
    && python -m compileall -q manage.py urfmp apps examples
USER 10001:10001
EXPOSE 8000 8001
CMD ["gunicorn", "urfmp.wsgi:application", "--bind=0.0.0.0:8000", "--worker-class=urfmp.servers.gunicorn.Worker", "--threads=16", "--limit-request-line=8190"]
