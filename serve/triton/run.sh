#!/usr/bin/env bash
# Start the Triton server of an environment that make_env.sh made, on this machine only.
#
#   serve/triton/run.sh FOLDER REPOSITORY [HTTP_PORT [GRPC_PORT [METRICS_PORT]]]
#
# The engines of a repository for the python back end run in this checkout's ran-deploy.
set -euo pipefail
usage="usage: run.sh FOLDER REPOSITORY [HTTP_PORT [GRPC_PORT [METRICS_PORT]]]"
folder=$(realpath "${1:?$usage}")
repository=$(realpath "${2:?$usage}")
site=$("$folder/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")

# The interpreter of the back end takes what the environment has, and does not read PYTHONPATH.
realpath "$(dirname "$0")/../.." > "$site/ran_deploy_checkout.pth"
export LD_LIBRARY_PATH="$site/nvidia_pytriton.libs:$(cat "$folder/libpython")"
export PATH="$folder/bin:$PATH"
exec "$site/pytriton/tritonserver/bin/tritonserver" \
  --model-repository="$repository" --backend-directory="$folder/backends" --disable-auto-complete-config \
  --http-address=127.0.0.1 --grpc-address=127.0.0.1 --metrics-address=127.0.0.1 \
  --http-port="${3:-8000}" --grpc-port="${4:-8001}" --metrics-port="${5:-8002}"
