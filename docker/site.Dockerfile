# A hospital's image: client, shared_model and site_config; neither server nor simulation code.
# Build from the repository's root:  docker build -f docker/site.Dockerfile -t fedhcc-site .
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/fedhcc
WORKDIR /source
COPY requirements/site.txt requirements/site.txt
RUN /opt/fedhcc/bin/python -m pip install --quiet --require-hashes -r requirements/site.txt
COPY pyproject.toml README.md ./
COPY site_config site_config
COPY shared_model shared_model
COPY client client
RUN /opt/fedhcc/bin/python -m pip install --quiet --no-deps . \
    && rm -f /opt/fedhcc/bin/fedhcc-coordinator /opt/fedhcc/bin/fedhcc-sim

FROM python:3.11-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin fedhcc \
    && install -d -o fedhcc -g fedhcc -m 0700 /data
COPY --from=build /opt/fedhcc /opt/fedhcc
ENV PATH=/opt/fedhcc/bin:/usr/local/bin:/usr/bin:/bin \
    FEDHCC_SITE_HOME=/data \
    FEDHCC_CONTAINER=1 \
    FLWR_TELEMETRY_ENABLED=0 \
    FLWR_DISABLE_UPDATE_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="fedhcc-site" \
    org.opencontainers.image.description="A hospital's program of fedhcc: trains where the patients are, releases only masked sums" \
    org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /data
VOLUME /data
USER 10001:10001
# Healthy means registered with the coordinator, not merely alive. The question costs a second of CPU: on a machine that trains
# on every core its answer takes several, and a check that times out says nothing about the connection.
HEALTHCHECK --interval=30s --timeout=30s --start-period=180s --retries=3 CMD ["fedhcc-site", "status", "--healthy"]
ENTRYPOINT ["/usr/bin/tini", "--", "fedhcc-site"]
CMD ["run"]
