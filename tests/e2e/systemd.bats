#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The units as systemd reads them, without a systemd that runs: syntax, what exitstatd needs, what it is kept from.

setup_file() {
	export ROOT=$BATS_FILE_TMPDIR/root
	make install DESTDIR="$ROOT" >/dev/null
	export UNITS=$BATS_FILE_TMPDIR/units
	mkdir "$UNITS"
	# verify wants the program where the unit says
	sed "s|=/usr/local/sbin/|=$ROOT/usr/local/sbin/|" "$ROOT/usr/local/lib/systemd/system/exitstatd.service" \
		>"$UNITS/exitstatd.service"
	cp "$ROOT/usr/local/lib/systemd/system/exitstatd.socket" "$UNITS"
	export MANPATH=$ROOT/usr/local/share/man
}

setup() {
	bats_require_minimum_version 1.5.0
}

verify() {
	systemd-analyze verify --man=yes "$1/exitstatd.service" "$1/exitstatd.socket" 2>&1
}

# The numbers of SETTING in the unit, later ones last.
setting() {
	sed -n "s/^$1=//p" "$UNITS/exitstatd.service"
}

# The overall exposure of unit $1, times ten: systemd prints one digit.
exposure() {
	systemd-analyze security --offline=true --no-pager "$1" | sed -n 's/.*Overall exposure level.*: \([0-9]*\)\.\([0-9]\) .*/\1\2/p'
}

@test "systemd finds no fault with the units, their program and their man page" {
	run -0 verify "$UNITS"
	[ -z "$output" ]
}

@test "it would find one" {
	cp -r "$UNITS" "$BATS_TEST_TMPDIR/bad"
	sed -i 's/^Type=notify/Type=notfy/' "$BATS_TEST_TMPDIR/bad/exitstatd.service"
	run verify "$BATS_TEST_TMPDIR/bad"
	[[ $output == *"Failed to parse service type"* ]]
}

@test "exposed by 2.5 at most, and by much more without the hardening" {
	local bare=$BATS_TEST_TMPDIR/exitstatd.service
	systemd-analyze security --offline=true --no-pager "$UNITS/exitstatd.service" | grep -v '^✓'
	[ "$(exposure "$UNITS/exitstatd.service")" -le 25 ]
	grep -E '^(\[|ExecStart|Type)' "$UNITS/exitstatd.service" >"$bare"
	[ "$(exposure "$bare")" -gt 90 ]
}

@test "no setting is there twice by accident" {
	run -0 sh -c "sed -n 's/^\([A-Z][A-Za-z]*\)=.*/\1/p' '$UNITS/exitstatd.service' | sort | uniq -d"
	[ "$output" = "$(printf 'ExecStartPre\nSystemCallFilter')" ]
}

@test "the capabilities it starts with are those it needs, and no more" {
	[ "$(setting CapabilityBoundingSet)" = "CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_SETUID CAP_SETGID CAP_SETPCAP" ]
	[ "$(setting NoNewPrivileges)" = yes ]
}

@test "bpf, perf_event_open and what changes users are allowed, what mounts, loads modules or traces is not" {
	local allowed call
	# shellcheck disable=SC2046 # words are meant
	allowed=$(comm -23 <(expand $(setting SystemCallFilter | grep -v '^~') | sort -u) \
		<(expand $(setting SystemCallFilter | sed -n 's/^~//p') | sort -u))
	for call in bpf perf_event_open setresuid setresgid setgroups clone prctl capset seccomp accept4 recvmsg mmap \
		prlimit64 epoll_wait pidfd_open name_to_handle_at; do
		grep -qx "$call" <<<"$allowed"
	done
	for call in mount umount2 pivot_root init_module finit_module delete_module ptrace process_vm_readv kexec_load \
		reboot swapon settimeofday iopl add_key; do
		echo "$call"
		run ! grep -qx "$call" <<<"$allowed"
	done
}

# The system calls of groups and names.
expand() {
	local word
	for word; do
		case $word in
		@*)
			# shellcheck disable=SC2046
			expand $(systemd-analyze syscall-filter "$word" | sed -n 's/^ \{4\}\([@a-z0-9_-]*\)$/\1/p')
			;;
		*) echo "$word" ;;
		esac
	done
}

@test "the socket stays where it is while the service is down" {
	[ "$(setting RuntimeDirectory)" = exitstat ]
	[ "$(setting RuntimeDirectoryPreserve)" = yes ]
	grep -qx 'ListenStream=/run/exitstat/exitstat.sock' "$UNITS/exitstatd.socket"
	"$ROOT/usr/local/sbin/exitstatd" --help | grep -q -- '--socket PATH .*(/run/exitstat/exitstat.sock)'
}

@test "systemd-sysusers makes the user and the group, and nothing else" {
	local root=$BATS_TEST_TMPDIR/root
	mkdir -p "$root/etc"
	systemd-sysusers --root="$root" "$ROOT/usr/local/lib/sysusers.d/exitstat.conf"
	[ "$(cut -d : -f 1 "$root/etc/passwd")" = exitstat ]
	[ "$(cut -d : -f 1 "$root/etc/group")" = exitstat ]
	[[ $(cut -d : -f 7 "$root/etc/passwd") == */nologin ]]
	"$ROOT/usr/local/sbin/exitstatd" --help | grep -q -- '--group GROUP .*(exitstat)'
}
