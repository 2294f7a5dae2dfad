# The server in an image: no node, no compiler, no root. See docs/deploying.md.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml setup.py MANIFEST.in LICENSE README.md ./
COPY actors actors
COPY loadtests loadtests
COPY persistence persistence
COPY web web
# What builds the page is installed for the build alone, in an environment that pip makes and deletes.
RUN python -m venv /opt/salon \
    && /opt/salon/bin/pip install --no-cache-dir --disable-pip-version-check '/src[ai,cluster,otel,postgres,s3]' \
    && /opt/salon/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim-trixie
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin salon \
    && install --directory --owner=salon --group=salon --mode=0700 /data
COPY --from=build /opt/salon /opt/salon
ENV PATH=/opt/salon/bin:$PATH \
    SALON_HOST=0.0.0.0 \
    SALON_PORT=8000 \
    SALON_STORE=sqlite:////data/salon.db \
    SALON_LOGGING__FORMAT=json
USER 10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
ENTRYPOINT ["salon"]
CMD ["serve"]
