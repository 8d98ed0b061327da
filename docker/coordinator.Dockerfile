# The trial office's image: the gateway (nginx), Flower's SuperLink and the coordinator's program. It computes no gradient, so PyTorch's
# CPU build is enough; build from the repository's root:
#   docker build -f docker/coordinator.Dockerfile --build-arg UV_TORCH_BACKEND=cpu -t fedhcc-coordinator .
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ARG LOCK=coordinator-cpu
# `cpu` makes the installer ask PyTorch for its own CPU builds.
ARG UV_TORCH_BACKEND
# A folder of wheels, mounted for the time of the build, where no index can be reached.
ARG UV_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1
WORKDIR /source
COPY requirements/tools.txt requirements/${LOCK}.txt requirements/
RUN python -m venv /tools \
    && /tools/bin/python -m pip install --quiet --require-hashes -r requirements/tools.txt \
    && python -m venv --without-pip /opt/fedhcc \
    && /tools/bin/uv pip sync --quiet --python /opt/fedhcc/bin/python --require-hashes "requirements/${LOCK}.txt"
COPY pyproject.toml README.md ./
COPY site_config site_config
COPY shared_model shared_model
# The digest of the code hospitals run is part of every lock, so the coordinator holds a copy of it.
COPY client client
COPY server server
# Without isolation the build takes the locked setuptools. What only a developer needs goes: headers, installers, other commands.
RUN /tools/bin/uv pip install --quiet --python /opt/fedhcc/bin/python --no-deps --no-build-isolation . \
    && rm -rf /opt/fedhcc/bin/fedhcc-site /opt/fedhcc/bin/fedhcc-sim /opt/fedhcc/bin/uv /opt/fedhcc/bin/uvx \
        /opt/fedhcc/lib/python3.11/site-packages/torch/include /opt/fedhcc/lib/python3.11/site-packages/torch/test

FROM ${PYTHON_IMAGE}
ARG LOCK=coordinator-cpu
ARG REVISION=unknown
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx-light tini \
    && rm -rf /var/lib/apt/lists/* /usr/local/lib/python3.11/ensurepip /usr/local/bin/pip* /usr/local/bin/idle* /usr/local/bin/2to3* \
    && find /usr/local/lib/python3.11/site-packages -mindepth 1 -delete \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /office --shell /usr/sbin/nologin fedhcc \
    && install -d -o fedhcc -g fedhcc -m 0700 /office
COPY --from=build /opt/fedhcc /opt/fedhcc
ENV PATH=/opt/fedhcc/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    FEDHCC_HOME=/office \
    FEDHCC_CONTAINER=1 \
    FLWR_HOME=/tmp/flwr \
    FLWR_TELEMETRY_ENABLED=0 \
    FLWR_DISABLE_UPDATE_CHECK=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="fedhcc-coordinator" \
    org.opencontainers.image.description="The trial office's program of fedhcc: gateway, SuperLink and the study's phases" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision="${REVISION}" \
    fedhcc.lock="${LOCK}"
WORKDIR /office
VOLUME /office
EXPOSE 9443
USER 10001:10001
HEALTHCHECK --interval=20s --timeout=20s --start-period=60s --retries=3 CMD ["fedhcc-coordinator", "status", "--healthy"]
ENTRYPOINT ["/usr/bin/tini", "--", "fedhcc-coordinator"]
CMD ["serve"]
