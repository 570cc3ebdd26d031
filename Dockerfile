# Wherry under gunicorn: small, without root, with the drivers of every database.
#   docker build -t wherry .
#   docker run --rm -p 8000:8000 -e WHERRY_SECRET_KEY=... -v wherry:/srv/wherry/instance wherry
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/wherry
RUN python -m venv /opt/venv
# The lock first: code that changes does not install everything again.
COPY requirements/all.txt requirements/all.txt
RUN /opt/venv/bin/pip install --require-hashes --requirement requirements/all.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --editable .

FROM python:3.13-slim

RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin wherry \
    && install --directory --owner=wherry --group=wherry --mode=0700 /srv/wherry/instance
WORKDIR /srv/wherry
COPY --from=build /opt/venv /opt/venv
COPY pyproject.toml settings.toml .secrets.toml gunicorn.conf.py LICENSE ./
COPY app app
COPY migrations_script[s] migrations_scripts

ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 WHERRY_ENV=production
USER wherry
VOLUME /srv/wherry/instance
EXPOSE 8000
# An orchestrator's stop is SIGTERM, which gunicorn takes as: answer what is in flight, then end.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["gunicorn", "--config", "gunicorn.conf.py"]
