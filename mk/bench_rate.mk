# The programs run a million times a second (tests/bench/rate).
RATE_PRODUCTS := $(BUILD)/bench/rate $(BUILD)/bench/rate.bpf.o
TEST_EXTRA += $(RATE_PRODUCTS)

$(BUILD)/bench/rate.bpf.o: tests/bench/rate.bpf.c tests/bench/rate.h $(wildcard bpf/*) include/exitstat/abi.h mk/bpf.mk mk/bench_rate.mk \
		| $(BUILD)/.tools
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPF_CLANG) $(BPF_CFLAGS) -c $< -o $@.tmp && $(BPF_STRIP) -g $@.tmp && mv $@.tmp $@

$(BUILD)/bench/rate: tests/bench/rate.c tests/bench/rate.h $(BUILD)/.flags mk/bench_rate.mk | $(BUILD)/.tools
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ES_CFLAGS) $(ES_LDFLAGS) -o $@ $< -lbpf

.PHONY: bench-rate
BENCHES += bench-rate
bench-rate: ## a million exits a second for a minute: is anything lost?
	$(Q)scripts/deps build check lab
	$(Q)$(MAKE) $(PARALLEL) all lab-guests $(RATE_PRODUCTS) $(BUILD)/unit/test_rate
	$(Q)tests/bench/rate
