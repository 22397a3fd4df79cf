# The shells' completions: a template each, and the table that a program prints of its options.
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
COMPLETIONS := $(foreach p,$(notdir $(PROGS)),$(BUILD)/completions/$(p) $(BUILD)/completions/_$(p))
ALL_EXTRA += $(COMPLETIONS)

# completion(program, template)
define completion
$(call say,GEN,$@)
$(Q)mkdir -p $(@D)
$(Q)$(BUILD)/$(1) --options >$@.table && awk -v table=$@.table -v program=$(1) \
	'$$0 == "@TABLE@" { while ((getline line <table) > 0) print line; next } \
	{ gsub("@PROGRAM@", program); print }' $(2) >$@.tmp && rm $@.table && mv $@.tmp $@
endef
$(BUILD)/completions/_%: completions/completion.zsh.in $(BUILD)/% mk/completions.mk
	$(call completion,$*,$<)
$(BUILD)/completions/%: completions/completion.bash.in $(BUILD)/% mk/completions.mk
	$(call completion,$*,$<)

.PHONY: install-completions uninstall-completions
install: install-completions
install-completions: all
	$(Q)set -e$(foreach p,$(notdir $(PROGS)),; \
		install -D -m 644 $(BUILD)/completions/$(p) '$(DESTDIR)$(BASHCOMPDIR)/$(p)'; \
		install -D -m 644 $(BUILD)/completions/_$(p) '$(DESTDIR)$(ZSHCOMPDIR)/_$(p)')

uninstall: uninstall-completions
uninstall-completions:
	$(Q)rm -f $(foreach p,$(notdir $(PROGS)),'$(DESTDIR)$(BASHCOMPDIR)/$(p)' '$(DESTDIR)$(ZSHCOMPDIR)/_$(p)')
