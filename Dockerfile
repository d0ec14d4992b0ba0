# syntax=docker/dockerfile:1
# Two stages: one builds the wheel with the locked backend and installs it beside the locked packages, the other has
# the result and nothing to build with. The tree is read-only at run time; everything that changes lies in /data.

FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/oncoclaims \
 && sed '/^# == development only ==/,$d' requirements.lock > /src/runtime.lock \
 && /opt/oncoclaims/bin/python -m pip install --quiet --no-cache-dir --only-binary :all: --require-hashes -r /src/runtime.lock
# What the backend needs stands partly among what the program needs: both parts of the lock.
RUN python -m venv /opt/backend \
 && sed '/^# == tests and tools ==/,$d' requirements.lock > /src/backend.lock \
 && /opt/backend/bin/python -m pip install --quiet --no-cache-dir --only-binary :all: --require-hashes -r /src/backend.lock
COPY pyproject.toml NOTICE ./
COPY adapters ./adapters
COPY mappings ./mappings
COPY fhir_server_stub ./fhir_server_stub
RUN /opt/backend/bin/python -m pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir /src/dist . \
 && /opt/oncoclaims/bin/python -m pip install --quiet --no-cache-dir --no-deps --no-index /src/dist/*.whl \
 && /opt/oncoclaims/bin/python -m pip check \
 && /opt/oncoclaims/bin/python -m compileall -q /opt/oncoclaims/lib

FROM python:3.12-slim
# A fixed id, so that the owner of the volume is known beforehand.
RUN groupadd --system --gid 10001 oncoclaims \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin oncoclaims \
 && install -d -o 10001 -g 10001 -m 0700 /data
COPY --from=build /opt/oncoclaims /opt/oncoclaims
ENV PATH=/opt/oncoclaims/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ONCOCLAIMS_STORE=sqlite:////data/oncoclaims.db \
    ONCOCLAIMS_SITE=/data/site.toml \
    ONCOCLAIMS_HEALTH=http://127.0.0.1:8080/healthz
WORKDIR /data
VOLUME ["/data"]
USER 10001:10001
# Asks the running service on its loopback listener; anything but 200 within three seconds is unhealthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["/opt/oncoclaims/bin/python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['ONCOCLAIMS_HEALTH'], timeout=3)"]
ENTRYPOINT ["/opt/oncoclaims/bin/oncoclaims"]
CMD ["serve"]
