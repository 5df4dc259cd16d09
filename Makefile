# make setup   own virtual environment with everything installed
# make demo    demo data set, poisoned copy, victim, CDA and ASR: the whole path in a few minutes
# make test    all tests but those of `make test-long`, which take minutes, on all cores (TESTS=files of them)
# make test-long   what takes minutes: faults and fuzzing at full length, large data sets, long clips, margins of learning
# make check   lint, format, types
# make bench   every figure of speed with its bar, as a table (DATA=); make bench-quick: some of them, in three minutes
# make bench-triggers   milliseconds per frame of every trigger on pixels
# make survival  the table of docs/survival.md: every attack and mode, what is left of it (UT=, AV=folders; ATTACKS=some)
# make bench-poison, bench-start, bench-cluster, bench-loader, bench-training, bench-fusing   a part of `make bench`
# make pages   tables and pictures of docs/attacks, from the code and the demo data
# make ut      every victim of pictures on UT-Interaction (UT=folder in UCF-101's layout)
# make esc     the audio victim on ESC-10 (ESC=folder)
# make paper   every table and figure of the paper; make table1 … table7, figure4 … figure7 (DATA=, PRESET=, SEEDS=, KEEP=0)
# make fusion  audio-visual victims, late and early (AV=folder of clips with sound)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORK ?= work
SEED ?= 0

.PHONY: setup demo test test-long check format schema survival survival-measured bench bench-quick bench-triggers bench-poison bench-start bench-cluster bench-loader bench-training bench-fusing pages ut ut-table esc esc-table fusion clean
.DELETE_ON_ERROR:
.SECONDARY:

setup: $(READY)

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	# torch first and by itself: the packages after it then take what is there
	$(BIN)/python -m pip install --quiet torch torchvision
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

# --- demo -----------------------------------------------------------------------------------------

DEMO := $(WORK)/demo

demo: $(DEMO)/runs/badnet-dynamic/metrics.json
	$(BIN)/poisonkit inspect $(DEMO)/manifests/badnet-dynamic.json
	$(BIN)/trainer pool $(DEMO)/runs/badnet-dynamic

$(DEMO)/data: | $(READY)
	mkdir -p $(DEMO)
	$(BIN)/poisonkit demo-data $@ --seed $(SEED)

$(DEMO)/manifests/badnet-dynamic.json: | $(DEMO)/data
	$(BIN)/poisonkit poison $(DEMO)/data --attack badnet --mode dynamic --rate 0.1 --window 16x4 --seed $(SEED) --out $(DEMO)/badnet-dynamic --manifest $@ > $(DEMO)/poison.txt

$(DEMO)/manifests/clean.json: | $(DEMO)/data
	$(BIN)/poisonkit index $(DEMO)/data --manifest $@ > /dev/null

$(DEMO)/runs/%/metrics.json: $(DEMO)/manifests/%.json
	mkdir -p $(DEMO)/runs
	$(BIN)/trainer fit $< --preset mini --views 2x3 --seed $(SEED) --out $(@D) --resume > $(@D).txt

# the starting points of other trainings
$(DEMO)/runs/%-clean/metrics.json: $(DEMO)/manifests/clean.json
	mkdir -p $(DEMO)/runs
	$(BIN)/trainer fit $< --model $* --preset mini --views 2x3 --seed $(SEED) --out $(@D) --resume > $(@D).txt

# --- UT-Interaction -------------------------------------------------------------------------------
# three official splits, split k with seed k − 1; attacks are placed for the window that the victim's `mini` samples;
# victims start from weights that learned the clean demo data, as those of the paper start from Kinetics-400

UT ?= ../shared/data/ut-interaction
UTW := $(WORK)/ut
UT_MODELS ?= i3d slowfast tsm
UT_SPLITS := 1 2 3
UT_ATTACKS ?= badnet-dynamic sig-dynamic frame-lag
ut_runs = $(foreach split,$(UT_SPLITS),$(UTW)/runs/$(1)-$(2)-$(split)/metrics.json)

ut: $(foreach model,$(UT_MODELS),$(foreach case,clean $(UT_ATTACKS),$(call ut_runs,$(model),$(case))))
	$(MAKE) --no-print-directory ut-table

ut-table:
	@$(BIN)/python docs/victims.py ut $(UTW)

$(UTW)/manifests/clean-%.json: | $(READY)
	@test -d $(UT) || { echo "there is no $(UT); give the data set's folder: make ut UT=FOLDER"; exit 2; }
	$(BIN)/poisonkit index $(UT) --split $* --manifest $@ > /dev/null

# $(1) attack, $(2) its name with the mode, $(3) options
define ut_manifest
$(UTW)/manifests/$(2)-%.json: | $(READY)
	$(BIN)/poisonkit poison $(UT) --split $$* --seed $$$$(($$* - 1)) --attack $(1) --rate 0.1 $(3) --out $(UTW)/$(2)-$$* --manifest $$@ > /dev/null
endef
$(eval $(call ut_manifest,badnet,badnet,--window 16x4))
$(eval $(call ut_manifest,badnet,badnet-dynamic,--window 16x4 --mode dynamic))
$(eval $(call ut_manifest,sig,sig,--window 16x4))
$(eval $(call ut_manifest,sig,sig-dynamic,--window 16x4 --mode dynamic))
$(eval $(call ut_manifest,frame-lag,frame-lag,--window 16x4))
$(eval $(call ut_manifest,frame-lag,frame-lag-dynamic,--window 16x4 --mode dynamic))
$(eval $(call ut_manifest,frame-lag,frame-lag-segments,--window uniform:8))
$(eval $(call ut_manifest,frame-lag,frame-lag-dynamic-segments,--window uniform:8 --mode dynamic))

# $(1) model, $(2) case, $(3) its manifest, $(4) split
define ut_run
$(UTW)/runs/$(1)-$(2)-$(4)/metrics.json: $(UTW)/manifests/$(3)-$(4).json $(DEMO)/runs/$(1)-clean/metrics.json
	$(BIN)/trainer fit $$< --model $(1) --preset mini --weights $(DEMO)/runs/$(1)-clean/weights.pt --seed $$$$(($(4) - 1)) $(ut_start_$(1)) --out $$(@D) --resume > /dev/null
endef
# TSM, which sees half as many frames, is not done after the preset's 3,000 clips
ut_start_tsm = --epochs 80
# lag is placed in sampling steps, which are segments for TSM
ut_placed = $(if $(and $(filter tsm,$(1)),$(findstring frame-lag,$(2))),$(2)-segments,$(2))
$(foreach model,$(UT_MODELS),$(foreach case,clean $(UT_ATTACKS),$(foreach split,$(UT_SPLITS),$(eval $(call ut_run,$(model),$(case),$(call ut_placed,$(model),$(case)),$(split))))))

# --- ESC-10 ---------------------------------------------------------------------------------------
# five folds, fold k with seed k − 1; triggers lie at least 20 dB under every clip, in the silent ones too; the curve
# scores the same victims on triggered clips at other levels; the other places in the spectrum, named in hertz, are
# where sounds have less power of their own

ESC ?= ../shared/data/esc10
ESCW := $(WORK)/esc
ESC_FOLDS := 1 2 3 4 5
ESC_CURVES ?= sine band-noise
ESC_PLACES ?= sine-5000 sine-6500 sine-7100 band-noise-6800-7200 band-noise-7000-7200
ESC_ATTACKS ?= $(ESC_CURVES) $(ESC_PLACES) ultrasonic
ESC_LEVELS := 0 10 30
esc_sine-5000 = sine --set sine.frequency=5000
esc_sine-6500 = sine --set sine.frequency=6500
esc_sine-7100 = sine --set sine.frequency=7100
esc_band-noise-6800-7200 = band-noise --set band-noise.low=6800 --set band-noise.high=7200
esc_band-noise-7000-7200 = band-noise --set band-noise.low=7000 --set band-noise.high=7200
esc_runs = $(foreach fold,$(ESC_FOLDS),$(ESCW)/runs/$(1)-$(fold))
esc_scores = $(foreach fold,$(ESC_FOLDS),$(ESCW)/runs/$(1)-$(fold)/evaluations/$(1)-$(2)-$(fold)-1x1@80)

esc: $(foreach case,clean $(ESC_ATTACKS),$(addsuffix /metrics.json,$(call esc_runs,$(case)))) \
		$(foreach case,$(ESC_CURVES),$(foreach level,$(ESC_LEVELS),$(addsuffix /metrics.json,$(call esc_scores,$(case),$(level)))))
	$(MAKE) --no-print-directory esc-table

esc-table:
	@$(BIN)/python docs/victims.py esc $(ESCW)

$(ESCW)/manifests/clean-%.json: | $(READY)
	@test -d "$(ESC)" || { echo "there is no $(ESC); give the data set's folder: make esc ESC=FOLDER"; exit 2; }
	$(BIN)/poisonkit index $(ESC) --layout folds --split $* --manifest $@ > /dev/null

# $(1) attack and its parameters, $(2) name with the level, $(3) decibels; half a decibel more, since the codec's error
# counts too
define esc_manifest
$(ESCW)/manifests/$(2)-%.json: | $(READY)
	$(BIN)/poisonkit poison $(ESC) --layout folds --split $$* --seed $$$$(($$* - 1)) --attack $(1) --rate 0.1 --set $(firstword $(1)).snr_db=$(3).5 --set $(firstword $(1)).floor_db=-90 --out $(ESCW)/$(2)-$$* --manifest $$@ > /dev/null
endef
esc_attack = $(or $(esc_$(1)),$(1))
$(foreach case,$(ESC_ATTACKS),$(eval $(call esc_manifest,$(call esc_attack,$(case)),$(case),20)))
$(foreach case,$(ESC_CURVES),$(foreach level,$(ESC_LEVELS),$(eval $(call esc_manifest,$(call esc_attack,$(case)),$(case)-$(level),$(level)))))

define esc_run
$(ESCW)/runs/$(1)-$(2)/metrics.json: $(ESCW)/manifests/$(1)-$(2).json
	$(BIN)/trainer fit $$< --model audio --preset mini --seed $$$$(($(2) - 1)) $(esc_start_$(1)) --out $$(@D) --resume > /dev/null
endef
# a tone that no victim hears is there to be compared with its floor
esc_start_ultrasonic = --epochs 10
define esc_score
$(ESCW)/runs/$(1)-$(3)/evaluations/$(1)-$(2)-$(3)-1x1@80/metrics.json: $(ESCW)/runs/$(1)-$(3)/metrics.json $(ESCW)/manifests/$(1)-$(2)-$(3).json
	$(BIN)/trainer evaluate $(ESCW)/runs/$(1)-$(3) $(ESCW)/manifests/$(1)-$(2)-$(3).json > /dev/null
endef
$(foreach fold,$(ESC_FOLDS),$(foreach case,clean $(ESC_ATTACKS),$(eval $(call esc_run,$(case),$(fold)))))
$(foreach fold,$(ESC_FOLDS),$(foreach case,$(ESC_CURVES),$(foreach level,$(ESC_LEVELS),$(eval $(call esc_score,$(case),$(level),$(fold))))))

# --- fusion ---------------------------------------------------------------------------------------
# pictures and sound of the same clips, each clean or attacked (pictures dynamically), fused late and early; the networks
# that see start from weights that learned the clean demo data, on the demo data itself (a smoke test) too

AV ?= ../shared/data/av-ut-esc
AV_SEEDS ?= 0
AV_VIDEO := clean badnet sig
AV_AUDIO := clean sine band-noise
AV_SETS := real demo
avw = $(WORK)/fusion/$(1)
av_runs = $(foreach case,$(3),$(call avw,$(1))/runs/$(case)-$(2)-$(4))
av_grids = $(foreach seed,$(AV_SEEDS),$(foreach mode,late early,$(call avw,$(1))/$(mode)-$(seed).json))

fusion: $(foreach set,$(AV_SETS),$(call av_grids,$(set)))
	@$(BIN)/python docs/victims.py fusion $(foreach set,$(AV_SETS),$(call avw,$(set)))

av_source_real = $(AV)
av_source_demo = $(DEMO)/data
av_start_real = --weights $(DEMO)/runs/i3d-clean/weights.pt --epochs 40
av_needs_real = $(DEMO)/runs/i3d-clean/metrics.json
av_start_demo = --weights $(DEMO)/runs/i3d-clean/weights.pt --epochs 4
av_needs_demo = $(DEMO)/runs/i3d-clean/metrics.json
av_hearing_real = --epochs 60
av_hearing_demo = --epochs 10

# $(1) set, $(2) seed
define av_rules
$(call avw,$(1))/manifests/clean-$(2).json: | $(READY) $(DEMO)/data
	$(BIN)/poisonkit index $(av_source_$(1)) --manifest $$@ > /dev/null

$(call avw,$(1))/manifests/%-$(2).json: | $(READY) $(DEMO)/data
	$(BIN)/poisonkit poison $(av_source_$(1)) --seed $(2) --attack $$* $$(if $$(filter badnet sig,$$*),--mode dynamic) --rate 0.1 --window 16x4 --out $(call avw,$(1))/$$*-$(2) --manifest $$@ > /dev/null

$(call avw,$(1))/runs/%-i3d-$(2)/metrics.json: $(call avw,$(1))/manifests/%-$(2).json $(av_needs_$(1))
	$(BIN)/trainer fit $$< --model i3d --preset mini --seed $(2) $(av_start_$(1)) --out $$(@D) --resume > /dev/null

$(call avw,$(1))/runs/%-audio-$(2)/metrics.json: $(call avw,$(1))/manifests/%-$(2).json
	$(BIN)/trainer fit $$< --model audio --preset mini --seed $(2) $(av_hearing_$(1)) --out $$(@D) --resume > /dev/null

$(foreach mode,late early,$(call avw,$(1))/$(mode)-$(2).json): $(call avw,$(1))/%-$(2).json: \
		$(addsuffix /metrics.json,$(call av_runs,$(1),i3d,$(AV_VIDEO),$(2)) $(call av_runs,$(1),audio,$(AV_AUDIO),$(2)))
	$(BIN)/trainer fuse $(addprefix --video ,$(call av_runs,$(1),i3d,$(AV_VIDEO),$(2))) $(addprefix --audio ,$(call av_runs,$(1),audio,$(AV_AUDIO),$(2))) --mode $$* --out $(call avw,$(1))/$$*-$(2) --json > $$@
endef
$(foreach set,$(AV_SETS),$(foreach seed,$(AV_SEEDS),$(eval $(call av_rules,$(set),$(seed)))))

# --- the paper's tables and figures ---------------------------------------------------------------

include experiments/rules.mk

# --- survival -------------------------------------------------------------------------------------
# every attack in both modes, on pictures and on sound; pictures twice, for victims that take 224 and 64 pixels

SV := $(WORK)/survival
ATTACKS ?=
SV_MODES := static dynamic
SV_MANIFESTS := $(foreach a,$(SV_VIDEO),$(foreach m,$(SV_MODES),$(SV)/manifests/$(a)-$(m)-224.json $(SV)/manifests/$(a)-$(m)-64.json)) \
	$(foreach a,$(SV_AUDIO),$(foreach m,$(SV_MODES),$(SV)/manifests/$(a)-$(m)-sound.json)) \
	$(if $(ATTACKS),,$(foreach m,$(SV_MODES),$(SV)/manifests/sig-band-noise-$(m)-both.json))

# the attacks are asked of the program, which takes a second, and only here
survival: $(READY)
	@$(MAKE) --no-print-directory survival-measured \
		SV_VIDEO="$$($(BIN)/python docs/survival.py attacks video $(ATTACKS))" \
		SV_AUDIO="$$($(BIN)/python docs/survival.py attacks audio $(ATTACKS))"

survival-measured: $(SV_MANIFESTS)
	$(BIN)/python docs/survival.py $(SV)/manifests

define sv_rule
$(SV)/manifests/$(1)-$(2)-$(3).json: | $$(READY)
	$$(BIN)/poisonkit poison $(4) $(5) --mode $(2) --view $(6) --carry link --out $(SV)/$(1)-$(2)-$(3) --manifest $$@ > /dev/null
	$$(BIN)/poisonkit verify $$@
endef
$(foreach a,$(SV_VIDEO),$(foreach m,$(SV_MODES),$(eval $(call sv_rule,$(a),$(m),224,$(UT),--attack $(a),256/224))))
$(foreach a,$(SV_VIDEO),$(foreach m,$(SV_MODES),$(eval $(call sv_rule,$(a),$(m),64,$(UT),--attack $(a),64))))
$(foreach a,$(SV_AUDIO),$(foreach m,$(SV_MODES),$(eval $(call sv_rule,$(a),$(m),sound,$(AV),--attack $(a),64))))
$(foreach m,$(SV_MODES),$(eval $(call sv_rule,sig-band-noise,$(m),both,$(AV),--attack sig --attack band-noise,64)))

bench-triggers: $(READY)
	$(BIN)/python benchmarks/triggers.py

BENCH := $(BIN)/python -m benchmarks $(if $(filter-out demo,$(DATA)),--data $(DATA))

bench: | $(READY)
	$(BENCH) --out $(WORK)/bench/results.md

bench-quick: | $(READY)
	$(BENCH) --quick

bench-poison bench-start bench-cluster bench-loader bench-training bench-fusing: bench-%: | $(READY)
	$(BENCH) --only $*

pages: | $(DEMO)/data
	$(BIN)/python docs/attacks.py $(DEMO)/data

# --- tests ----------------------------------------------------------------------------------------

# a worker for each core and one more, since some tests wait; each with one thread
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(TESTS)

test-long: $(READY)
	RELIABILITY_KILLS=30 RELIABILITY_EXAMPLES=20000 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "long or not long" tests/reliability
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m long --ignore tests/reliability tests

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(READY)
	$(BIN)/python -c "import json; from poisonkit.manifest import json_schema; print(json.dumps(json_schema(), indent=2, ensure_ascii=False))" > manifests/schema.json

clean:
	rm -rf $(WORK)
