# Each target sets up what it needs in .venv, on a machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# make test LOCKED=1 takes exactly the versions of locks/.
LOCK := $(if $(LOCKED),--constraint locks/development.txt)
# Installed first and alone, so that a CPU build which pip's configuration offers is taken.
TORCH ?= torch>=2.9,<2.14

.PHONY: demo test lint lock triton-venv clean

demo: $(VENV)/demo.stamp
	@mkdir -p demo
	@cd demo && set -e; run() { printf '\n\033[1m$$ ran-deploy %s\033[0m\n' "$$*"; ../$(BIN)/ran-deploy "$$@"; }; \
	run export --arch att92 --samples ../models/samples; \
	run quantize --onnx att92.onnx --precision fp16 --samples ../models/samples; \
	run build --onnx att92_fp16.onnx; \
	run verify att92.onnx att92_fp16.onnx --data ../models/samples; \
	run quantize --onnx att92.onnx --precision int8 --calibration shipped --samples ../models/samples; \
	run build --onnx att92_int8.onnx; \
	run verify att92.onnx att92_int8.onnx --data ../models/samples; \
	run predict --engine att92_int8.onnx --top 3 ../models/samples; \
	run bench --engine att92.onnx --batch 1,64; \
	run inspect att92_int8.plan; \
	printf '\nThe files are in demo/, each with its manifest beside it.\n'

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A real Triton server, whose tests make test then runs too, given RAN_DEPLOY_TRITON_VENV=$PWD/.triton.
triton-venv:
	serve/triton/make_env.sh .triton

$(VENV)/demo.stamp: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(LOCK) "$(TORCH)"
	$(BIN)/python -m pip install --quiet $(LOCK) --editable ".[cpu,train,tensorrt-rtx]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install --quiet $(LOCK) --editable ".[cpu,openvino,train,tensorrt-rtx,serve,parquet,ray,dev]"
	touch $@

# Writes down what is installed and was tested.
lock: $(VENV)/dev.stamp
	$(BIN)/python locks/lock.py

clean:
	rm -rf $(VENV) .triton build dist demo
