# Everything in one image, for x86-64 and 64-bit ARM alike, made from the locks in envs/. For machines on which the engine
# cannot be installed: macOS, Windows, Linux without glibc.
#   docker build --tag dreamr .
#   docker run --rm --volume "$PWD/results:/dreamr/results" dreamr
# Behind the name of the image come Snakemake's options: dreamr --cores all --configfile config/smoke.yaml
# Built by buildah on x86-64, with Debian 12 in the place of the base image; not yet built from the base image, nor on ARM.
FROM python:3.11-slim-bookworm AS system
# For a shell inside; the workflow itself needs no git.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git ca-certificates \
 && rm -rf /var/lib/apt/lists/*

FROM system
# An index with builds of torch for CPUs makes the image 8 GB smaller.
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1
WORKDIR /dreamr
COPY . .
RUN python3 -m venv .venv \
 && .venv/bin/pip install --quiet --editable .
RUN .venv/bin/snakemake --cores all environments
ENTRYPOINT [".venv/bin/snakemake"]
CMD ["--cores", "all"]
