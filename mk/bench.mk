# make bench: what it costs, measured in the lab (docs/cost.md).
BENCH	:= $(BUILD)/bench
BENCH_PRODUCTS := $(BENCH)/attach $(BENCH)/probes.bpf.o
TEST_EXTRA += $(BENCH_PRODUCTS)

$(BENCH)/%.bpf.o: tests/bench/%.bpf.c mk/bpf.mk mk/bench.mk | $(BUILD)/.tools
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp && $(BPF_STRIP) -g $@.tmp && mv $@.tmp $@

$(BENCH)/attach: tests/bench/attach.c $(BUILD)/.flags mk/bench.mk | $(BUILD)/.tools
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ES_CFLAGS) $(ES_LDFLAGS) -o $@ $< -lbpf

.PHONY: bench bench-cost bench-cpus bench-keep bench-programs
BENCHES += bench-cost bench-cpus bench-daemon
# One after the other, whatever -j says: they measure times.
bench: ## what it costs: an exit, beside other tools; the daemon with thousands of VMs; a million exits a second
	$(Q)[ "$$(id -u)" = 0 ] || { echo "make bench: loading BPF maps needs root: sudo make bench" >&2; exit 1; }
	$(Q)for b in $(BENCHES); do $(MAKE) --no-print-directory $$b || exit; done

bench-cost: ## instructions added to an exit, by exitstatd and by other tools (docs/cost.md)
	$(Q)scripts/deps build lab bench
	$(Q)$(MAKE) $(PARALLEL) bench-programs
	$(Q)tests/bench/run

bench-keep: ## keep in docs/ what make bench-cost measured last
	$(Q)tests/bench/keep

bench-programs: all lab-guests $(BENCH_PRODUCTS)

bench-cpus: ## what the daemon's look costs on a host with 1 and with 256 possible CPUs (docs/scale.md)
	$(Q)scripts/deps build lab
	$(Q)$(MAKE) $(PARALLEL) bench-programs
	$(Q)tests/bench/cpus
