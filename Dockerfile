# tlgan on a CPU. It runs as nobody, writes to /data and /tmp alone, and needs no network:
#   docker build -t tlgan .
#   docker run --rm --read-only --tmpfs /tmp --network none -v "$PWD/data:/data" tlgan discover photo64 -o faces
# docs/how-to/container.md says more.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/tlgan
RUN /opt/tlgan/bin/pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu "torch==2.13.0"
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/tlgan/bin/pip install --no-cache-dir ".[onnx,plot]"

FROM python:3.13-slim
COPY --from=build /opt/tlgan /opt/tlgan
RUN mkdir /data && chown 65534:65534 /data
ENV PATH=/opt/tlgan/bin:$PATH HOME=/tmp TLGAN_CACHE=/data/.cache PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
USER 65534:65534
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["tlgan"]
CMD ["--help"]
