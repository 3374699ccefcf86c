# One image, three commands: `manage.py up --only web`, `--only worker`, `--only setup` (schema, catalogue, first admin).
# Written for production and checked by eye only: no container engine was at hand to build it.
FROM python:3.11-slim-bookworm AS packages
COPY requirements/app.txt /requirements/app.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements/app.txt

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MEDIAGEN_NO_VENV=1 \
    MEDIAGEN_VAR=/data \
    STATIC_MANIFEST=true \
    HOST=0.0.0.0 \
    PORT=8000
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin mediagen \
 && install -d -o mediagen -g mediagen -m 0700 /data /data/run
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
# the keys of this one command are thrown away; the real ones come from the environment
RUN SECRET_KEY=build FIELD_KEYS=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= MEDIAGEN_VAR=/tmp/build \
    python manage.py collectstatic --noinput --verbosity 0 \
 && python -m compileall -q /app /venv
USER mediagen
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "up", "--only", "web"]
