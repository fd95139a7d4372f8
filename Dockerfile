# plas_jax on a CPU; for an NVIDIA GPU build with --build-arg EXTRA=[cuda] and run with --gpus=all.
FROM python:3.12-slim
ARG EXTRA=""
WORKDIR /opt/plas_jax
COPY . .
# EGL, so that policies can be filmed without a screen.
RUN apt-get update && apt-get install --no-install-recommends --yes libegl1 libgl1 && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir ".${EXTRA}"
# Results, data and compiled programs belong to whoever mounts these.
WORKDIR /workspace
ENV D4RL_DATASET_DIR=/workspace/data XDG_CACHE_HOME=/workspace/cache MUJOCO_GL=egl
ENTRYPOINT ["plas-jax"]
CMD ["--help"]
