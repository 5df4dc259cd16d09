# The tables and figures of the paper, on any data set:
#
# make paper                  all of it; make table1 … table7, figure4 … figure7, controls: a part
#   DATA=demo                 the demo data set, or a folder that `poisonkit` can read
#   PRESET=mini               mini: small victims, minutes on a CPU; paper: full size, on GPUs
#   SEEDS="0 1 2"             several are pooled; each is a training seed, a manifest's seed, and where the data set has
#                             three official splits one of them
#   SPLITS=3                  official splits, where their lists do not lie in the data set's folder
#   KEEP=0                    delete a poisoned copy once nothing that was asked for needs it any more
#   POISON=… FIT=…            more options for `poisonkit` (--layout, --annotations, --classes) and for `trainer fit`
#
# What is finished is not done again: the same command goes on after an interruption, and `make -j2` uses two cores.

DATA ?= demo
PRESET ?= mini
SEEDS ?= 0
KEEP ?= 1
SPLITS ?= $(words $(sort $(notdir $(wildcard $(DATA)/trainlist0*.txt $(DATA)/*/trainlist0*.txt))) $(sort $(patsubst %,split%,$(foreach n,1 2 3,$(if $(wildcard $(DATA)/*_test_split$(n).txt $(DATA)/*/*_test_split$(n).txt),$(n))))))
POISON ?=
FIT ?=

P := $(WORK)/paper/$(notdir $(DATA:/=))-$(PRESET)
paper_src := $(if $(filter demo,$(DATA)),$(DEMO)/data,$(DATA))
$(if $(word 2,$(DATA)),$(error the path "$(DATA)" holds spaces, which make cannot handle; give a link without any))
PAPER_GOALS := table1 table2 table3 table4 table5 table6 table7 figure4 figure5 figure6 figure7 controls
.PHONY: paper paper-plan paper-made $(PAPER_GOALS)

# one process a core is as fast as two threads, and does not wait for others
solo = $(if $(filter -j%,$(MAKEFLAGS)),OMP_NUM_THREADS=1)
workers = $(if $(filter -j%,$(MAKEFLAGS)),--workers 1)

# a seed's official split, where there are several
split_of = $(if $(filter-out 0 1,$(SPLITS)),--split $$(($(1) % $(SPLITS) + 1)))

# --- two sizes ------------------------------------------------------------------------------------
# small victims get clips of their own input size, since their resize would take fine triggers away; so that size and
# codec do not give poisoned clips away, all clips of a copy are then re-encoded

window_mini := 16x4
window_paper := 32x2
written_mini := --short-side 96 --view 96/96 --carry reencode
written_paper := --view 256/224
views_mini := --views 2x1
views_paper :=
frames_mini := 1 4 8
frames_paper := 1 8 16
# the demo data is learned from scratch: weights that know these clips already take a static trigger for nothing new
weights_mini = $(if $(filter demo,$(DATA)),none,$(DEMO)/runs/$(1)-clean/weights.pt)
weights_paper := k400
needs_mini = $(if $(filter demo,$(DATA)),,$(DEMO)/runs/$(1)-clean/metrics.json)
needs_paper =

seeing := $(views_$(PRESET)) $(FIT)
hearing := $(FIT)
fit_options = $(if $(filter audio,$(1)),$(hearing),--weights $(call weights_$(PRESET),$(1)) $(seeing))
fit_needs = $(if $(filter-out audio,$(1)),$(call needs_$(PRESET),$(1)))

# --- poisoned copies ------------------------------------------------------------------------------
# $(1) its name, $(2) the options; temporal triggers are placed in sampling steps, which are segments for TSM

IMAGE := badnet blend sig wanet ftrojan
NATURAL := frame-lag video-corruption motion-blur
SOUND := sine band-noise
RATES := 0.01 0.02 0.05 0.2
FRAMES := $(addprefix frames-,$(frames_$(PRESET)) random)

define copy
COPIES += $(1)
$(P)/copies/$(1)-s%.made: | $$(READY) $(if $(filter demo,$(DATA)),$(DEMO)/data)
	@test -d $(paper_src) || { echo "there is no $(paper_src); give the data set's folder: make paper DATA=FOLDER"; exit 2; }
	mkdir -p $$(@D)
	$$(solo) $$(BIN)/poisonkit poison $(paper_src) $$(call split_of,$$*) --seed $$* $(2) $(POISON) $$(workers) --out $(P)/copies/$(1)-s$$* --manifest $(P)/manifests/$(1)-s$$*.json > $(P)/copies/$(1)-s$$*.txt
	touch $$@
endef
dense := --window $(window_$(PRESET)) $(written_$(PRESET))
segments := --window uniform:8 $(written_$(PRESET))
$(foreach a,$(IMAGE),$(eval $(call copy,$(a)-static,--attack $(a) --rate 0.1 $(dense))))
$(foreach a,$(IMAGE) $(NATURAL),$(eval $(call copy,$(a)-dynamic,--attack $(a) --mode dynamic --rate 0.1 $(dense))))
$(foreach a,frame-lag video-corruption,$(eval $(call copy,$(a)-dynamic-segments,--attack $(a) --mode dynamic --rate 0.1 $(segments))))
$(foreach a,$(SOUND),$(eval $(call copy,$(a),--attack $(a) --rate 0.1)))
$(foreach n,$(FRAMES),$(eval $(call copy,badnet-dynamic-$(n),--attack badnet --mode dynamic --rate 0.1 --frames $(n:frames-%=%) $(dense))))
$(foreach r,$(RATES),$(eval $(call copy,badnet-dynamic-rate-$(r),--attack badnet --mode dynamic --rate $(r) $(dense))))
$(eval $(call copy,badnet-dynamic-target-1,--attack badnet --mode dynamic --rate 0.1 --target 1 $(dense)))
$(eval $(call copy,none,--attack none --rate 0.1 $(dense)))

$(P)/copies/clean-s%.made: | $(READY) $(if $(filter demo,$(DATA)),$(DEMO)/data)
	@test -d $(paper_src) || { echo "there is no $(paper_src); give the data set's folder: make paper DATA=FOLDER"; exit 2; }
	mkdir -p $(@D)
	$(BIN)/poisonkit index $(paper_src) $(call split_of,$*) $(POISON) --manifest $(P)/manifests/clean-s$*.json > /dev/null
	touch $@

# --- victims --------------------------------------------------------------------------------------

define victim
$(P)/runs/$(1)-%/metrics.json: | $(P)/copies/%.made $(call fit_needs,$(1))
	@mkdir -p $(P)/runs
	$$(solo) $$(BIN)/trainer fit $(P)/manifests/$$*.json --model $(1) --preset $(PRESET) --seed $$(lastword $$(subst -s, ,$$*)) $(call fit_options,$(1)) --out $$(@D) --resume > $$(@D).txt
endef
$(foreach m,i3d slowfast tsm audio,$(eval $(call victim,$(m))))

victim_of = $(firstword $(subst @, ,$(1)))
copy_of = $(lastword $(subst @, ,$(1)))
seed_of = $(lastword $(subst -s, ,$(1)))
attack_of = $(patsubst i3d-%,%,$(1))

.SECONDEXPANSION:
# what a victim that never saw a trigger makes of it: $(P)/floors/MODEL@COPY, and figure 4's other numbers of frames:
# $(P)/scores/RUN@COPY
$(P)/floors/%: $(P)/runs/$$(call victim_of,$$*)-clean-s$$(call seed_of,$$*)/metrics.json | $(P)/copies/$$(call copy_of,$$*).made
	@mkdir -p $(@D)
	$(solo) $(BIN)/trainer evaluate $(dir $<) $(P)/manifests/$(call copy_of,$*).json --split test_triggered > $@.txt
	touch $@
$(P)/scores/%: $(P)/runs/$$(call victim_of,$$*)/metrics.json | $(P)/copies/$$(call copy_of,$$*).made
	@mkdir -p $(@D)
	$(solo) $(BIN)/trainer evaluate $(dir $<) $(P)/manifests/$(call copy_of,$*).json --split test_triggered > $@.txt
	touch $@

# --- defenses -------------------------------------------------------------------------------------

$(P)/defended/%: $(P)/runs/$$(call victim_of,$$*)/metrics.json | $(P)/copies/$$(call attack_of,$$(call victim_of,$$*)).made
	@mkdir -p $(@D)
	$(solo) $(BIN)/trainer defend $(dir $<) --defense $(call copy_of,$*) > $@.txt
	touch $@

# --- what each table needs ------------------------------------------------------------------------

runs_of = $(foreach s,$(SEEDS),$(foreach c,$(2),$(P)/runs/$(1)-$(c)-s$(s)/metrics.json))
floors_of = $(foreach s,$(SEEDS),$(foreach c,$(2),$(P)/floors/$(1)@$(c)-s$(s)))
measured = $(call runs_of,$(1),clean $(2)) $(call floors_of,$(1),$(2))
defended = $(foreach s,$(SEEDS),$(foreach c,$(2),$(P)/defended/i3d-$(c)-s$(s)@$(1)))

static := $(addsuffix -static,$(IMAGE))
dynamic := $(addsuffix -dynamic,$(IMAGE))
natural := $(addsuffix -dynamic,$(NATURAL))
architectures := badnet-dynamic sig-dynamic ftrojan-dynamic
sliced := frame-lag-dynamic-segments video-corruption-dynamic-segments motion-blur-dynamic
against := badnet-dynamic sig-dynamic ftrojan-dynamic frame-lag-dynamic motion-blur-dynamic
framed := badnet-dynamic $(addprefix badnet-dynamic-,$(FRAMES))
controlled := none badnet-dynamic $(addprefix badnet-dynamic-rate-,$(RATES)) badnet-dynamic-target-1

needs_table1 := $(call measured,i3d,$(static))
needs_table2 := $(call measured,i3d,$(dynamic))
needs_table3 := $(call measured,i3d,$(natural))
needs_table4 := $(call measured,slowfast,$(architectures) $(natural)) $(call measured,tsm,$(architectures) $(sliced))
needs_table5 := $(call measured,i3d,$(against)) $(call defended,activation-clustering,$(against)) $(call defended,spectral-signatures,$(against))
needs_table6 := $(call measured,audio,$(SOUND))
needs_table7 := $(call runs_of,i3d,clean $(dynamic) $(natural)) $(call runs_of,audio,clean $(SOUND)) \
	$(foreach s,$(SEEDS),$(P)/fused/late-s$(s) $(P)/fused/early-s$(s))
needs_figure4 := $(call runs_of,i3d,$(framed)) \
	$(foreach s,$(SEEDS),$(foreach r,$(framed),$(foreach c,$(filter-out $(r) %-random,$(framed)),$(P)/scores/i3d-$(r)-s$(s)@$(c)-s$(s))))
needs_figure5 := $(call runs_of,i3d,$(against)) $(call defended,pruning,$(against))
needs_figure6 := $(call runs_of,i3d,$(against)) $(call defended,strip,$(against))
needs_figure7 := $(call runs_of,audio,$(SOUND)) $(foreach s,$(SEEDS),$(foreach c,$(SOUND),$(P)/copies/$(c)-s$(s).made))
needs_controls := $(call measured,i3d,$(controlled)) $(P)/memory/metrics.json

fused_video := clean $(dynamic) $(natural)
fused_audio := clean $(SOUND)
define fused
$(P)/fused/$(1)-s$(2): $(call runs_of_seed,i3d,$(fused_video),$(2)) $(call runs_of_seed,audio,$(fused_audio),$(2)) | $(foreach c,$(fused_video) $(fused_audio),$(P)/copies/$(c)-s$(2).made)
	@mkdir -p $$(@D)
	$$(solo) $$(BIN)/trainer fuse $(foreach c,$(fused_video),--video $(P)/runs/i3d-$(c)-s$(2)) $(foreach c,$(fused_audio),--audio $(P)/runs/audio-$(c)-s$(2)) --mode $(1) --out $(P)/runs > $$@.txt
	touch $$@
endef
runs_of_seed = $(foreach c,$(2),$(P)/runs/$(1)-$(c)-s$(3)/metrics.json)

$(foreach s,$(SEEDS),$(foreach m,late early,$(eval $(call fused,$(m),$(s)))))

# the same attack in memory, on the first seed
$(P)/memory/metrics.json: $(P)/runs/i3d-badnet-dynamic-s$(firstword $(SEEDS))/metrics.json | $(P)/copies/clean-s$(firstword $(SEEDS)).made
	$(solo) $(BIN)/python experiments/memory.py $(P)/manifests/clean-s$(firstword $(SEEDS)).json $(P)/manifests/badnet-dynamic-s$(firstword $(SEEDS)).json $(dir $<) $(if $(filter-out none,$(call weights_$(PRESET),i3d)),--weights $(call weights_$(PRESET),i3d)) --out $(@D) > $(@D).txt
	mkdir -p $(P)/results
	cp $(@D)/memory.md $(P)/results/memory.md

# --- room -----------------------------------------------------------------------------------------
# with KEEP=0 a copy goes when everything in the goals that reads it is there

paper_asked := $(if $(filter paper,$(MAKECMDGOALS)),$(PAPER_GOALS),$(filter $(PAPER_GOALS),$(MAKECMDGOALS)))
paper_needed := $(sort $(foreach goal,$(paper_asked),$(needs_$(goal))))
fused_needed := $(filter $(P)/fused/%,$(paper_needed))
# what reads copy $(1), with its seed: its own runs, their defenses, scores on it, and fused models of the seed
readers_of = $(strip $(foreach m,i3d slowfast tsm audio,$(filter $(P)/runs/$(m)-$(1)/% $(P)/defended/$(m)-$(1)@%,$(paper_needed))) \
	$(filter %@$(1),$(filter $(P)/floors/% $(P)/scores/%,$(paper_needed))) \
	$(if $(filter $(fused_video) $(fused_audio),$(firstword $(subst -s, ,$(1)))),$(filter %-s$(lastword $(subst -s, ,$(1))),$(fused_needed))))
define freed
$(P)/freed/$(1): $(2)
	@mkdir -p $$(@D)
	rm -rf $(P)/copies/$(1) $(P)/copies/$(1).made
	touch $$@
endef
ifeq ($(KEEP),0)
paper_copies := $(foreach c,$(COPIES),$(foreach s,$(SEEDS),$(c)-s$(s)))
paper_freed := $(foreach c,$(paper_copies),$(if $(call readers_of,$(c)),$(c)))
# figure 7 reads the sounds themselves
paper_freed := $(if $(filter figure7,$(paper_asked)),$(filter-out $(addsuffix -s%,$(SOUND)),$(paper_freed)),$(paper_freed))
$(foreach c,$(paper_freed),$(eval $(call freed,$(c),$(call readers_of,$(c)))))
endif

ifdef PLANNED
# --- tables and figures ---------------------------------------------------------------------------

define shown
$(1): $(needs_$(1)) $(addprefix $(P)/freed/,$(paper_freed))
	@mkdir -p $(P)/results
	@$(BIN)/trainer $(2) --runs $(P)/runs --out $(P)/results/$(1).$(3)
endef
$(foreach n,1 2 3 4 5 6 7,$(eval $(call shown,table$(n),table $(n),md)))
$(foreach n,4 5 6 7,$(eval $(call shown,figure$(n),figure $(n),svg)))
$(eval $(call shown,controls,table controls,md))

paper: $(PAPER_GOALS)
	@$(BIN)/trainer findings --runs $(P)/runs --out $(P)/results/findings.md
	@$(BIN)/python experiments/results_page.py $(P)/results > $(P)/results/results.md
	@echo "tables, figures and findings: $(P)/results/results.md"

else
# gigabytes and hours are said before the first of them is spent: the goals themselves are made by a second make
$(PAPER_GOALS) paper: paper-made
	@:

paper-made: paper-plan
	@+$(MAKE) --no-print-directory PLANNED=1 $(if $(filter paper,$(MAKECMDGOALS)),paper,$(paper_asked))

paper-plan: | $(READY)
	@mkdir -p $(P)
	@$(BIN)/python experiments/cost.py --preset $(PRESET) --needed $(words $(paper_needed)) $(foreach file,$(paper_needed),$(if $(wildcard $(file)),,--missing $(file:$(P)/%=%))) --folder $(P) --data $(paper_src) --asked "$(abspath $(paper_src)) SPLITS=$(SPLITS) POISON=$(POISON) FIT=$(FIT)" --written="$(dense)" $(if $(POISON),--source $(POISON))
endif
