# make demo   installs, evaluates the embedded model on the embedded world, trains it, and compares
# make test   lint, types, tests
# make proof  slow proofs and measurements, printed
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
TORCH = 2.13.0
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export TOKENIZERS_PARALLELISM = false
# two threads beside another busy process are slower than one, so a thread each
demo test proof: export OMP_NUM_THREADS = 1
demo test proof: export MKL_NUM_THREADS = 1

.PHONY: demo test proof pretrain clean

$(VENV)/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP=$(BIN)/pip TORCH=$(TORCH) sh torch.sh
	$(BIN)/pip install --quiet -c constraints.txt -e ".[train,boards]"
	touch $@

$(VENV)/dev: $(VENV)/core
	$(BIN)/pip install --quiet -c constraints.txt -e ".[all,dev]"
	touch $@

# without a compiler benchmarks.llama_server says what is missing, and all else is proved
$(VENV)/proof: $(VENV)/dev
	$(BIN)/pip install --quiet -c constraints.txt -e ".[proof]" || echo "llama.cpp's server could not be built"
	touch $@

demo: $(VENV)/core
	$(BIN)/harness eval --model tiny --task scenes --limit 24 --output-path runs/demo
	$(BIN)/torchrun --standalone --nproc_per_node 2 -m harness train --config recipes/tiny_rt2i.yaml --output-dir runs/demo-train
	$(BIN)/harness compare runs/demo-train/held_out/step-000000 runs/demo-train/held_out/step-000080
	$(BIN)/harness leaderboard show runs/demo-train
	$(BIN)/harness report runs/demo-train

test: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

proof: $(VENV)/proof
	$(BIN)/python -m benchmarks.parity
	$(BIN)/python -m benchmarks.rollout
	$(BIN)/python -m benchmarks.families
	$(BIN)/python -m benchmarks.published
	$(BIN)/python -m benchmarks.geneval_rules
	$(BIN)/python -m benchmarks.pixels
	$(BIN)/python -m benchmarks.overlap
	$(BIN)/python -m benchmarks.statistics
	$(BIN)/python -m benchmarks.http_verifier
	$(BIN)/python -m benchmarks.vlm_verifier
	$(BIN)/harness calibrate --verifier pixels --output-path runs/calibration-pixels
	$(BIN)/harness calibrate --verifier tiny --count 20 --output-path runs/calibration-tiny
	$(BIN)/python -m benchmarks.llama_server
	$(BIN)/python -m benchmarks.resume
	$(BIN)/python -m benchmarks.train_step
	$(BIN)/python -m pytest -v -rs tests/test_report.py
	$(BIN)/python -m pytest -q -m proof -s
	$(BIN)/python -m benchmarks.tiny
	$(BIN)/python -m benchmarks.board

pretrain: $(VENV)/core
	$(BIN)/python -m trainer.pretrain --course draw --steps 4000 --out runs/draw
	$(BIN)/python -m trainer.pretrain --course look --steps 480 --decay 0 --start runs/draw/tiny --out runs/look
	$(BIN)/python -m trainer.pretrain --course all --steps 1350 --lr 3e-3 --decay 0.5 --start runs/look/tiny --out runs/all
	$(BIN)/python -m trainer.pretrain --course polish --steps 380 --lr 2.5e-3 --decay 1 --start runs/all/tiny --out runs/polish
	$(BIN)/python -m trainer.sight --start runs/polish/tiny --out runs/sight
	$(BIN)/python -m trainer.pretrain --course see --steps 320 --lr 2e-3 --decay 0.5 --words 1 --start runs/sight --out runs/see
	$(BIN)/python -m trainer.pretrain --course redraw --part drawing --steps 360 --lr 2e-3 --decay 1 --start runs/see/tiny --out runs/tiny

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
