# Every target that runs something first makes .venv, once. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
# One process a core, each with one thread. Notebooks are run as they are on a reader's machine, but for the budget.
PYTEST := TQDM_DISABLE=1 MINI_DDPM_FAST=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal
LONG := derivations planted_mistakes hint_shares attacks notebooks survival package bench
LONG := $(LONG:%=tests/test_%.py)
NBVAL := $(PYTEST) --dist loadfile --nbval-current-env --nbval-cell-timeout=120

LABS := $(BIN)/python -m mini_ddpm.labs

.PHONY: help setup lab labs grade export train site serve test test-labs test-long test-browser test-site readme check format bench bench-steps bench-operators bench-growth bench-calls bench-recipe bench-quality bench-gpu clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s%s\n", $$1, $$2}' Makefile

setup: $(STAMP)  ## make .venv and install everything

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt $(shell grep '^torch==' constraints.txt)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[notebooks,test]'
	touch $(STAMP)

lab: $(STAMP)  ## open the course in JupyterLab
	$(BIN)/jupyter lab notebooks

labs: $(STAMP)  ## make the students' versions of the labs, in build/labs
	$(LABS) release --labs notebooks/labs

grade: $(STAMP)  ## grade a folder of labs: make grade SUBMISSIONS=folder SECONDS=60; see notebooks/labs/README.md
	$(LABS) grade --labs notebooks/labs $(if $(SECONDS),--seconds $(SECONDS)) '$(SUBMISSIONS)'

export: $(STAMP)  ## write feedback and tables of labs anew, after grading by hand
	$(LABS) export --labs notebooks/labs

train: $(STAMP)  ## train on real MNIST for five minutes and draw digits
	$(BIN)/mini-ddpm train --preset mnist-laptop --minutes 5

site: $(STAMP) build/frames/drawn  ## build the static site in build/site, from the notebooks as they stand; needs Node and npm
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[site]'
	npm ci --prefix site --ignore-scripts --no-audit --no-fund
	$(BIN)/python site/build.py

build/frames/drawn: site/frames.py $(wildcard mini_ddpm/course/*.py) data/weights/mnist.safetensors | $(STAMP)
	$(BIN)/python site/frames.py
	touch $@

serve: $(STAMP)  ## show the site that was built, at http://localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site 8000

test: $(STAMP) check  ## run all tests, and every notebook as a test
	# what computes longest or starts other processes, without the tracer of branches, which would double its time
	$(PYTEST) $(LONG)
	$(PYTEST) $(LONG:%=--ignore=%) --cov --cov-report=term
	# Part I: every text output is compared, and the order of hashes must not matter
	PYTHONHASHSEED=1 $(NBVAL) --nbval notebooks/0[0-5]_*.ipynb notebooks/[A-Z]_*.ipynb
	PYTHONHASHSEED=2 $(NBVAL) --nbval notebooks/0[0-5]_*.ipynb
	# the others train: every cell must run and every assert hold
	$(NBVAL) --nbval-lax notebooks/0[6-9]*_*.ipynb notebooks/1*_*.ipynb

test-labs: $(STAMP)  ## hand in all that students might, grade it, and compare the points
	TQDM_DISABLE=1 OMP_NUM_THREADS=1 $(BIN)/python tests/labs/run.py

test-long: $(STAMP)  ## kill training 200 times instead of 20; try all steps of the corpus, not every fourth
	MINI_DDPM_KILLS=200 MINI_DDPM_EVERY=1 $(PYTEST) tests/test_survival.py tests/test_derivations.py tests/test_hint_shares.py

test-browser: $(STAMP)  ## move the sliders in JupyterLab; needs Chromium, see CONTRIBUTING.md
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest tests/browser/widgets.py

test-site: $(STAMP)  ## test the site that was built, in Chromium, with the network cut
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[site,browser]'
	$(PYTEST) tests/site

readme: $(STAMP)  ## write the README's section on the command line anew, from --help
	$(BIN)/python tests/readme.py

check: $(STAMP)  ## lint, check the formatting, check the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## mend what lint and formatting can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-steps bench-operators bench-growth bench-calls bench-recipe bench-quality  ## all of the following but the GPU's: hours

bench-steps: .bench-venv/installed  ## a step against the peers', 15 minutes; ARGS="small --rounds 9" for less or more
	.bench-venv/bin/python tests/bench/steps.py $(ARGS)

bench-operators: $(STAMP)  ## where the time of a step goes, three minutes
	$(BIN)/python tests/bench/operators.py $(ARGS)

bench-growth: $(STAMP)  ## how cost grows with the batch, the width, the image, T, processes and n: a quarter of an hour
	$(BIN)/python tests/bench/growth.py $(ARGS)

bench-calls: $(STAMP)  ## quality against network calls, by sampler: hours; it goes on where it was interrupted
	$(BIN)/python tests/bench/calls.py $(ARGS)

bench-recipe: $(STAMP)  ## what each choice of mnist-laptop is worth, three seeds: an hour; it goes on where it was interrupted
	$(BIN)/python tests/bench/recipe.py $(ARGS)

bench-quality: .bench-venv/installed  ## digits after five minutes, against the peers', an hour; ARGS="mini_ddpm" for less
	.bench-venv/bin/python tests/bench/quality.py $(ARGS)

bench-gpu: .bench-venv/installed  ## the CIFAR-10 network on a GPU, against the peers; ARGS="--tiny" tries it anywhere
	.bench-venv/bin/python tests/bench/gpu.py $(ARGS)

# Peers ask for torchvision, which would bring another torch: hence --no-deps.
.bench-venv/installed: $(STAMP) tests/bench/peers.txt tests/bench/peers-alone.txt
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/python -m pip install -q -c constraints.txt $(shell grep '^torch==' constraints.txt)
	.bench-venv/bin/python -m pip install -q -c constraints.txt -e . -r tests/bench/peers.txt
	.bench-venv/bin/python -m pip install -q --no-deps -r tests/bench/peers-alone.txt
	touch $@

clean:  ## remove environments and caches, but no runs and no grades
	rm -rf .venv .bench-venv .pytest_cache .ruff_cache .mypy_cache .coverage build/lib build/bdist.* build/labs build/pages build/frames build/site site/node_modules dist mini_ddpm.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
