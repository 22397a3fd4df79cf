# What the daemon costs with thousands of VMs: exitstatd itself over slots that a simulator writes (docs/scale.md).
BENCH	:= $(BUILD)/bench
SIM_WRAP := es_loader_new es_loader_attach_exits es_loader_attached es_loader_attach_life es_loader_life_attached \
	    es_loader_events_fd es_loader_events_take es_loader_lost es_kvm_host_read es_identity_resolve
SIM_OBJS := $(BUILD)/obj/tests/bench/sim_loader.o $(BUILD)/obj/tests/bench/sim_guests.o \
	    $(filter-out $(BUILD)/obj/src/loader.o,$(call objs,,$(DAEMON_SRC)))

$(BUILD)/obj/tests/bench/sim_loader.o: | $(SKELS)
$(BENCH)/exitstatd-sim: $(SIM_OBJS) $(BUILD)/libexitstat.a
	$(call link,LD,$(ES_LDFLAGS) $(addprefix -Wl$(comma)--wrap=,$(SIM_WRAP)),$(DAEMON_LIBS))

$(BENCH)/sim-clients: $(BUILD)/obj/tests/bench/sim_clients.o
	$(call link,LD,$(ES_LDFLAGS))

# So that it is seen when it does not build any more.
TEST_EXTRA += $(BENCH)/exitstatd-sim $(BENCH)/sim-clients

comma	:= ,
.PHONY: bench-daemon
bench-daemon: ## what the daemon costs with up to 4,000 simulated VMs (root; 6 minutes)
	$(Q)scripts/deps build
	$(Q)$(MAKE) $(PARALLEL) all $(BENCH)/exitstatd-sim $(BENCH)/sim-clients
	$(Q)tests/bench/daemon
