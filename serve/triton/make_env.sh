#!/usr/bin/env bash
# Make an environment with a real Triton server that needs no container and no GPU: the one in the wheel of
# nvidia-pytriton, with its python back end, and what ran-deploy's session needs there.
#
#   serve/triton/make_env.sh FOLDER
#
# Needs a Python 3.11 with its shared library (Debian: libpython3.11); PYTHON chooses another name for it.
set -euo pipefail
folder=${1:?"usage: make_env.sh FOLDER"}
python=${PYTHON:-python3.11}

if ! command -v "$python" > /dev/null; then
  echo "error: there is no $python here, which the wheel of the Triton server is made for." >&2
  echo "  fix: install Python 3.11, or set PYTHON to its name" >&2
  exit 6
fi
"$python" -m venv "$folder"
# Triton 2.51 is of the time before NumPy 2.
"$folder/bin/python" -m pip install --quiet "nvidia-pytriton==0.7.0" "numpy<2" "onnxruntime>=1.22" pillow

site=$("$folder/bin/python" -c "import sysconfig; print(sysconfig.get_path('purelib'))")
library=$("$folder/bin/python" -c "import sysconfig; print(sysconfig.get_config_var('INSTSONAME'))")
libraries=$("$folder/bin/python" -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")
place=$(find "$libraries" -maxdepth 2 -name "libpython3.11.so.1.0" -printf '%h\n' -quit)
if [ -z "$place" ]; then
  echo "error: $python has no libpython3.11.so.1.0 ($library), which Triton's python back end loads." >&2
  echo "  fix: apt-get install libpython3.11, or set PYTHON to a Python 3.11 built with --enable-shared" >&2
  exit 6
fi

# The wheel keeps the back end and the interpreter's part apart; the server wants them in one folder.
mkdir -p "$folder/backends"
cp -r "$site/pytriton/tritonserver/backends/python" "$folder/backends/"
cp "$site/pytriton/tritonserver/python_backend_stubs/3.11/triton_python_backend_stub" "$folder/backends/python/"
chmod +x "$folder/backends/python/triton_python_backend_stub"
printf '%s\n' "$place" > "$folder/libpython"
echo "Triton is in $folder; serve/triton/run.sh $folder REPOSITORY starts it."
