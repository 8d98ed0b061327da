# The trial office's image: the gateway (nginx), Flower's SuperLink and the coordinator's program.
# Build from the repository's root:  docker build -f docker/coordinator.Dockerfile -t fedhcc-coordinator .
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/fedhcc
WORKDIR /source
COPY requirements/coordinator.txt requirements/coordinator.txt
RUN /opt/fedhcc/bin/python -m pip install --quiet --require-hashes -r requirements/coordinator.txt
COPY pyproject.toml README.md ./
COPY site_config site_config
COPY shared_model shared_model
# The digest of the code hospitals run is part of every lock, so the coordinator holds a copy of it.
COPY client client
COPY server server
RUN /opt/fedhcc/bin/python -m pip install --quiet --no-deps . \
    && rm -f /opt/fedhcc/bin/fedhcc-site /opt/fedhcc/bin/fedhcc-sim

FROM python:3.11-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx-light tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin fedhcc \
    && install -d -o fedhcc -g fedhcc -m 0700 /data
COPY --from=build /opt/fedhcc /opt/fedhcc
ENV PATH=/opt/fedhcc/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    FEDHCC_HOME=/data \
    FEDHCC_CONTAINER=1 \
    FLWR_TELEMETRY_ENABLED=0 \
    FLWR_DISABLE_UPDATE_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="fedhcc-coordinator" \
    org.opencontainers.image.description="The trial office's program of fedhcc: gateway, SuperLink and the study's phases" \
    org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /data
VOLUME /data
EXPOSE 9443
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=30s --start-period=60s --retries=3 CMD ["fedhcc-coordinator", "status", "--healthy"]
ENTRYPOINT ["/usr/bin/tini", "--", "fedhcc-coordinator"]
CMD ["serve"]
