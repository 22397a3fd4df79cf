# The daemon's units and its user. The unit that starts it is written where it is installed, since that
# is when the daemon's place is known.
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d

.PHONY: install-units uninstall-units
install: install-units
install-units:
	$(Q)install -d '$(DESTDIR)$(UNITDIR)'
	$(Q)sed 's|@SBINDIR@|$(SBINDIR)|' systemd/exitstatd.service.in >'$(DESTDIR)$(UNITDIR)/exitstatd.service'
	$(Q)install -m 644 systemd/exitstatd.socket '$(DESTDIR)$(UNITDIR)/exitstatd.socket'
	$(Q)install -D -m 644 systemd/exitstat.sysusers.conf '$(DESTDIR)$(SYSUSERSDIR)/exitstat.conf'

uninstall: uninstall-units
uninstall-units:
	$(Q)rm -f '$(DESTDIR)$(UNITDIR)/exitstatd.service' '$(DESTDIR)$(UNITDIR)/exitstatd.socket' \
		'$(DESTDIR)$(SYSUSERSDIR)/exitstat.conf'
