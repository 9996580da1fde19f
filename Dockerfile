# The runner with uv and two Pythons, as a user without rights.
#
#   docker build -t studioml-runner .
#
# NODE_VERSION, UV_VERSION and DEBIAN say what is inside, PYTHONS which interpreters: versions as uv knows them, where the first three
# are the same so is the result. Where github.com is out of reach, UV_PYTHON_INSTALL_MIRROR names a copy of python-build-standalone.
ARG NODE_VERSION=24.21.0
ARG DEBIAN=bookworm

FROM node:${NODE_VERSION}-${DEBIAN}-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY bin bin
COPY lib lib
COPY pipelines pipelines
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund && rm dist/.tsbuildinfo

FROM python:3.13-slim-${DEBIAN} AS pythons
ARG UV_VERSION=0.13.9
ARG PYTHONS="3.11 3.13"
ARG UV_PYTHON_INSTALL_MIRROR
# PYTHONS are several words.
# hadolint ignore=SC2086
RUN pip install --no-cache-dir "uv==$UV_VERSION" && uv python install --no-bin --install-dir /opt/python $PYTHONS

FROM debian:${DEBIAN}-slim
# Debian keeps one version of a package in a release: a pinned one is gone with the next point release.
# git is for requirements such as -e git+https://…
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates git libstdc++6 tini \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin runner \
  && install -d -o runner -g runner /scratch /certs
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=pythons /usr/local/bin/uv /usr/local/bin/uv
COPY --from=pythons /opt/python /opt/python
COPY --from=build /src/package.json /opt/runner/package.json
COPY --from=build /src/node_modules /opt/runner/node_modules
COPY --from=build /src/dist /opt/runner/dist
COPY bin/runner /opt/runner/bin/runner
COPY fixtures/demo /opt/runner/fixtures/demo
COPY LICENSE /opt/runner/LICENSE
COPY deploy/node-under-init /usr/local/bin/node-under-init
RUN ln -s /opt/runner/bin/runner /usr/local/bin/runner
# The caches lie beside the scratch space, so that one volume holds all that is written.
ENV STUDIOML_NODE=/usr/local/bin/node-under-init \
  UV_PYTHON_INSTALL_DIR=/opt/python \
  UV_PYTHON_DOWNLOADS=never \
  UV_CACHE_DIR=/scratch/.cache/uv \
  PIP_CACHE_DIR=/scratch/.cache/pip \
  WORKING_DIR=/scratch \
  CERTS_DIR=/certs
USER 10001:10001
WORKDIR /home/runner
EXPOSE 9090
ENTRYPOINT ["/opt/runner/bin/runner"]
