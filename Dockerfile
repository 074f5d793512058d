# `avgzsl serve` in a container: no root, a root file system that may be read-only, a health check.
#
#   docker build --tag avgzsl .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     --volume /archive/index:/index:ro --volume /archive/films:/films:ro --volume /archive/models:/models:ro \
#     --env AVGZSL_SERVE_TOKEN --env AVGZSL_SERVE_MEDIA='["/films"]' --publish 127.0.0.1:8000:8000 avgzsl
#
# /index is the index, /films its clips where the index names them, /models the weights of its encoders. All may be
# read-only. What the server writes lies in /tmp, and goes with it. Encoders that need more libraries are extras:
# --build-arg EXTRAS=serve,transformers (docs/libraries.md). Where pip finds torch for CUDA, which is large, name an index of
# builds for CPUs: --build-arg PIP_EXTRA_INDEX_URL=…

FROM python:3.12-slim AS build
ARG EXTRAS=serve
ARG PIP_EXTRA_INDEX_URL
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
# as a variable, so that what is built in an environment of its own hears of it, too
ENV PIP_CONSTRAINT=/build/constraints.txt
RUN python -m venv /opt/avgzsl && \
    /opt/avgzsl/bin/python -m pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.12-slim
COPY --from=build /opt/avgzsl /opt/avgzsl
ENV PATH=/opt/avgzsl/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    AVGZSL_CACHE=/tmp/cache \
    AVGZSL_STATE=/tmp/state \
    AVGZSL_MODELS=/models \
    HF_HUB_OFFLINE=1 \
    AVGZSL_SERVE_HOST=0.0.0.0 \
    AVGZSL_SERVE_PORT=8000
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['AVGZSL_SERVE_PORT'] + '/v1/health', timeout=4)"]
ENTRYPOINT ["avgzsl"]
CMD ["serve", "/index"]
