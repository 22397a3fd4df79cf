# The experiment: one guest booted and rebooted with nested and with shadow paging.
EXPERIMENT := $(BUILD)/experiment

.PHONY: experiment experiment-intel install-experiment uninstall-experiment
experiment: ## a guest's boot with nested and with shadow paging, side by side, in the lab
	$(Q)scripts/deps build lab
	$(Q)$(MAKE) $(PARALLEL) all
	$(Q)lab/run --timeout 600 --out $(EXPERIMENT) experiment

experiment-intel: ## the same on an Intel host, which takes longer
	$(Q)scripts/deps build lab
	$(Q)$(MAKE) $(PARALLEL) all lab-guests
	$(Q)lab/run --cpu intel --timeout 3600 --out $(EXPERIMENT)-intel experiment

install: install-experiment
install-experiment:
	$(Q)install -d '$(DESTDIR)$(SBINDIR)'
	$(Q)install -m 755 scripts/exitstat-experiment '$(DESTDIR)$(SBINDIR)/exitstat-experiment'

uninstall: uninstall-experiment
uninstall-experiment:
	$(Q)rm -f '$(DESTDIR)$(SBINDIR)/exitstat-experiment'
