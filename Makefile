# make setup   own virtual environment with everything installed
# make demo    demo data set, poisoned copy, victim, CDA and ASR: the whole path in a few minutes
# make test    all tests          make check   lint, format, types
# make bench-triggers   milliseconds per frame of every trigger on pixels
# make survival  the table of docs/survival.md: every attack and mode, what is left of it (UT=, AV=folders)
# make ut      the figures of README.md on UT-Interaction (UT=folder in UCF-101's layout)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORK ?= work
SEED ?= 0

.PHONY: setup demo test check format schema survival bench-triggers ut ut-table clean
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
UT_ATTACKS ?= badnet sig frame-lag badnet-dynamic frame-lag-dynamic
ut_runs = $(foreach split,$(UT_SPLITS),$(UTW)/runs/$(1)-$(2)-$(split)/metrics.json)
ut_pairs = $(foreach split,$(UT_SPLITS),$(UTW)/runs/$(1)-$(2)-$(split) $(UTW)/runs/$(1)-clean-$(split))

ut: $(foreach model,$(UT_MODELS),$(foreach case,clean $(UT_ATTACKS),$(call ut_runs,$(model),$(case))))
	$(MAKE) --no-print-directory ut-table

ut-table:
	@$(foreach model,$(UT_MODELS),for split in $(UT_SPLITS); do echo "$(model), clean, split $$split:"; \
		$(BIN)/trainer pool $(UTW)/runs/$(model)-clean-$$split; done;)
	@$(foreach model,$(UT_MODELS),$(foreach case,$(UT_ATTACKS),echo "$(model), $(case):"; \
		$(BIN)/trainer compare $(call ut_pairs,$(model),$(case));))

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
	$(BIN)/trainer fit $$< --model $(1) --preset mini --weights $(DEMO)/runs/$(1)-clean/weights.pt --seed $$$$(($(4) - 1)) --out $$(@D) --resume > /dev/null
endef
# lag is placed in sampling steps, which are segments for TSM
ut_placed = $(if $(and $(filter tsm,$(1)),$(findstring frame-lag,$(2))),$(2)-segments,$(2))
$(foreach model,$(UT_MODELS),$(foreach case,clean $(UT_ATTACKS),$(foreach split,$(UT_SPLITS),$(eval $(call ut_run,$(model),$(case),$(call ut_placed,$(model),$(case)),$(split))))))

# --- survival -------------------------------------------------------------------------------------
# every attack in both modes, on pictures and on sound; pictures twice, for victims that take 224 and 64 pixels

AV ?= ../shared/data/av-ut-esc
SV := $(WORK)/survival
SV_VIDEO := badnet blend sig wanet ftrojan frame-lag video-corruption motion-blur
SV_AUDIO := sine band-noise ultrasonic spectrum-tone
SV_MODES := static dynamic
SV_MANIFESTS := $(foreach a,$(SV_VIDEO),$(foreach m,$(SV_MODES),$(SV)/manifests/$(a)-$(m)-224.json $(SV)/manifests/$(a)-$(m)-64.json)) \
	$(foreach a,$(SV_AUDIO),$(foreach m,$(SV_MODES),$(SV)/manifests/$(a)-$(m)-sound.json)) \
	$(foreach m,$(SV_MODES),$(SV)/manifests/sig-band-noise-$(m)-both.json)

survival: $(SV_MANIFESTS)
	$(BIN)/python docs/survival.py $(SV)/manifests > docs/survival.md

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

# --- tests ----------------------------------------------------------------------------------------

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(READY)
	$(BIN)/python -c "import json; from poisonkit.manifest import schema; print(json.dumps(schema(), indent=2, ensure_ascii=False))" > manifests/schema.json

clean:
	rm -rf $(WORK)
