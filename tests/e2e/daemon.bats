#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstatd over a recording: start and stop, the socket, the protocol, who sees what.
# EXITSTATD is the program under test; daemon-asan runs all of this with sanitizers.
# shellcheck disable=SC2030,SC2031 # each test is a subshell of its own

bats_require_minimum_version 1.5.0

setup() {
	build=${BUILD:-build}
	exitstatd=${EXITSTATD:-$build/exitstatd}
	client=$build/e2e/client
	recording=tests/fixtures/replay/three.jsonl
	dir=$BATS_TEST_TMPDIR
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
	socket=$dir/s
	log=$dir/log
	unset EXITSTAT_SOCKET NOTIFY_SOCKET JOURNAL_STREAM
}

teardown() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" || true
	done
	if grep -E -A30 'Sanitizer|runtime error' "$log" 2>/dev/null; then return 1; fi
}

# start [OPTION]…: the daemon, ready
start() {
	local before
	touch "$log"
	before=$(grep -c 'ready:' "$log" || true)
	"$exitstatd" --config "${config:-/dev/null}" --socket "$socket" --replay "$recording" --interval 50ms "$@" \
		2>>"$log" 3>&- &
	daemon=$!
	pids+=("$daemon")
	wait_for 'ready:' $((before + 1))
}

# wait_for TEXT [TIMES]: until the log has it (so many times)
wait_for() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(grep -c -- "$1" "$log")" -ge "${2:-1}" ] && return
		sleep 0.05
	done
	echo "no '$1' in the log:" && cat "$log" && return 1
}

# stop [SIGNAL]: returns the daemon's exit status
stop() {
	kill "-${1:-TERM}" "$daemon"
	wait "$daemon"
}

ask() {
	printf '%s\n' "$@" | "$client" "$socket" send
}

snapshot() {
	ask "{\"method\":\"exitstat.GetSnapshot\",\"parameters\":{$1}}"
}

error_of() {
	jq -r '.error + ": " + (.parameters.message // .parameters.method // .parameters.vm)'
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root: runs as another user"
}

as_nobody() {
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# --- command line ---

@test "--help lists the options, --version the version" {
	run -0 "$exitstatd" --help
	[[ $output == *"--replay FILE"* && $output == *"--ended-keep T"*"(10min)"* ]]
	run -0 "$exitstatd" --version
	[[ $output == "exitstatd "[0-9]* ]]
}

@test "a wrong command line is one line and status 2" {
	run -2 "$exitstatd" --nonsense
	[ "$output" = "exitstatd: --nonsense is not an option, or takes no value; see exitstatd --help" ]
	run -2 "$exitstatd" --slots
	[ "${#lines[@]}" -eq 1 ]
	run -2 "$exitstatd" file
	[ "${#lines[@]}" -eq 1 ]
}

@test "a wrong config file is one line with its place, status 1" {
	printf 'slots = 1\n\nslotz = 2\n' >"$dir/conf"
	run -1 "$exitstatd" --config "$dir/conf" --replay "$recording"
	[ "$output" = "exitstatd: $dir/conf:3: unknown key 'slotz'" ]
	run -1 "$exitstatd" --config "$dir/none" --replay "$recording"
	[ "$output" = "exitstatd: cannot read $dir/none: No such file or directory" ]
}

@test "not root: one line with the remedy" {
	need_root
	cp "$exitstatd" "$dir/d" && chmod 755 "$dir/d"
	run -1 as_nobody "$dir/d" --config /dev/null --socket "$socket"
	[ "$output" = "exitstatd: loading BPF programs needs root: run sudo exitstatd, or serve a recording with --replay FILE" ]
	run -1 setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$dir/d" --config /dev/null --socket "$socket"
	[[ $output == "exitstatd: root, but without CAP_SYS_ADMIN"* ]]
}

@test "--replay needs no root" {
	need_root
	cp "$exitstatd" "$dir/d" && cp "$recording" "$dir/r" && chmod 755 "$dir/d" "$dir/r"
	mkdir -m 777 "$dir/open"
	as_nobody "$dir/d" --config /dev/null --socket "$dir/open/s" --replay "$dir/r" 2>"$log" 3>&- &
	pids+=($!)
	wait_for 'ready:'
}

@test "a damaged recording is refused with file, line and reason" {
	head -n 2 "$recording" >"$dir/r" && echo '{"schema":' >>"$dir/r"
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$dir/r"
	[[ $output == "exitstatd: $dir/r:3: "* ]]
	: >"$dir/r"
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$dir/r"
	[ "$output" = "exitstatd: $dir/r:1: no snapshot in it" ]
	echo '{"schema":"other/1"}' >"$dir/r"
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$dir/r"
	[[ $output == "exitstatd: $dir/r:1: "*schema* ]]
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$dir"
	[[ $output == *"not a regular file" ]]
	[[ ! -e "$socket" && ! -e "$socket.lock" ]]
}

# --- life ---

@test "one line says that it is ready; SIGTERM and SIGINT stop it and remove socket and lock" {
	start
	[ "$(grep -c ready: "$log")" -eq 1 ]
	grep -qx "exitstatd: ready: replaying $recording, socket $socket" "$log"
	[ "$(stat -c %a "$socket")" = 666 ]
	[ "$(cat "$socket.lock")" = "$daemon" ]
	stop TERM
	[[ ! -e "$socket" && ! -e "$socket.lock" ]]
	start
	stop INT
	[[ ! -e "$socket" && ! -e "$socket.lock" ]]
}

@test "stops while clients are connected and an answer is under way" {
	start
	mkfifo "$dir/in"
	"$client" "$socket" deaf 2000 '{"method":"exitstat.GetSnapshot"}' <"$dir/in" >"$dir/out" 3>&- &
	pids+=($!)
	exec 9>"$dir/in"
	sleep 0.3
	stop
	exec 9>&-
}

@test "the socket's folder is made, open to all" {
	socket=$dir/new/s
	umask 077
	start
	[ "$(stat -c %a "$dir/new")" = 755 ]
	[ "$(stat -c %a "$socket")" = 666 ]
}

@test "a second daemon is refused and told the pid of the first" {
	start
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$recording"
	[ "$output" = "exitstatd: already running as pid $daemon on $socket" ]
	snapshot '' | jq -e '.parameters.snapshot.vms | length == 3'
}

@test "a killed daemon's other process cleans up, and the next one waits for that" {
	start
	kill -KILL "$daemon"
	wait "$daemon" || true
	start
	[ "$(grep -c 'stale socket' "$log")" = 0 ]
	snapshot '' | jq -e '.parameters.snapshot.vms | length == 3'
}

@test "a daemon whose other process is killed ends, and says so" {
	start
	kill -KILL "$(pgrep -P "$daemon")"
	status=0
	wait "$daemon" || status=$?
	[ "$status" = 1 ]
	grep -q "privileged process was ended by signal 9" "$log"
}

@test "what a killed daemon left is recovered" {
	start
	kill -STOP "$daemon"
	kill -KILL "$(pgrep -P "$daemon")" "$daemon"
	wait "$daemon" || true
	[[ -S "$socket" && -e "$socket.lock" ]]
	start
	grep -qx "exitstatd: removed the stale socket $socket" "$log"
	snapshot '' | jq -e '.parameters.snapshot.vms | length == 3'
}

@test "a file that is not a socket is left alone" {
	echo precious >"$socket"
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$recording"
	[ "$output" = "exitstatd: $socket is there and is not a socket; remove it or choose another --socket" ]
	[ "$(cat "$socket")" = precious ]
	[ ! -e "$socket.lock" ]
}

@test "a lock file that is a link is not followed" {
	echo precious >"$dir/other"
	ln -s "$dir/other" "$socket.lock"
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$recording"
	[[ $output == "exitstatd: cannot open $socket.lock: "* ]]
	[ "$(cat "$dir/other")" = precious ]
}

@test "ten daemons at once: one wins" {
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		"$exitstatd" --config /dev/null --socket "$socket" --replay "$recording" 2>"$dir/log$i" 3>&- &
		pids+=($!)
	done
	for ((i = 0; i < 200; i++)); do
		[ "$(cat "$dir"/log[0-9]* | grep -cE 'ready:|already running')" -ge 10 ] && break
		sleep 0.05
	done
	[ "$(cat "$dir"/log[0-9]* | grep -c ready:)" -eq 1 ]
	[ "$(cat "$dir"/log[0-9]* | grep -c 'already running')" -eq 9 ]
}

@test "SIGHUP reads the config file again and says what takes a restart" {
	config=$dir/conf
	echo 'ended-max = 5' >"$config"
	start
	printf 'ended-max = 0\nslots = 7\n' >"$config"
	kill -HUP "$daemon"
	wait_for 'settings read again'
	grep -qx 'exitstatd: ended-max changed' "$log"
	grep -qx 'exitstatd: slots differs in the config file: takes effect at the next start' "$log"
	sleep 0.2
	snapshot '' | jq -e '[.parameters.snapshot.vms[].name] == ["guest1", "guest2"]'
	echo nonsense >"$config"
	kill -HUP "$daemon"
	wait_for 'settings stay as they were'
	grep -q "$config:1: expected key = value" "$log"
	snapshot '' | jq -e '.parameters.snapshot.vms | length == 2'
}

@test "tells systemd: ready, status, reloading, stopping, and that it is alive" {
	"$client" "$dir/notify" told >"$dir/told" 3>&- &
	pids+=($!)
	until [ -S "$dir/notify" ]; do sleep 0.05; done
	chmod 777 "$dir/notify" # as systemd's is
	NOTIFY_SOCKET=$dir/notify WATCHDOG_USEC=200000 start
	kill -HUP "$daemon"
	wait_for 'settings read again'
	sleep 0.4
	stop
	sleep 0.1
	tr '\n' ' ' <"$dir/told" >"$dir/line"
	cat "$dir/line"
	grep -q 'READY=1 STATUS=replaying .*RELOADING=1 MONOTONIC_USEC=[0-9]* READY=1 .*STOPPING=1' "$dir/line"
	[ "$(grep -c '^WATCHDOG=1' "$dir/told")" -ge 2 ]
}

@test "takes the socket that systemd passes, and leaves it there" {
	"$client" "$socket" activate "$exitstatd" --config /dev/null --replay "$recording" 2>"$log" 3>&- &
	daemon=$!
	pids+=("$daemon")
	wait_for ready:
	snapshot '' | jq -e '.parameters.snapshot.vms | length == 3'
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$recording"
	[ "$output" = "exitstatd: already running as pid $daemon on $socket" ]
	stop
	[[ -S "$socket" && ! -e "$socket.lock" ]]
}

@test "a socket on which somebody else listens is left alone" {
	"$client" "$socket" activate /bin/sleep 100 3>&- &
	pids+=($!)
	until [ -S "$socket" ]; do sleep 0.05; done
	run -1 "$exitstatd" --config /dev/null --socket "$socket" --replay "$recording"
	[ "$output" = "exitstatd: $socket is in use by another program (systemctl stop exitstatd.socket?)" ]
	[ -S "$socket" ]
}

@test "priorities only when stderr is the journal's stream" {
	JOURNAL_STREAM=1:2 start
	grep -q '^exitstatd: ready' "$log"
	stop
	: >"$log"
	JOURNAL_STREAM=$(stat -c %d:%i "$log") start
	grep -q '^<6>ready: ' "$log"
}

# --- protocol ---

@test "a recording goes on with the clock and stays at its end" {
	start
	sleep 0.4
	snapshot '' | jq -e '.parameters.snapshot | .taken.monotonic_ns == 12000000000
		and (.vms | map(.name) == ["guest1", "guest2", "old"]) and .vms[2].state == "ended"'
	snapshot '"last_interval":true,"vm":"guest1"' | jq -e '.parameters.snapshot | .taken.interval_ns == 1000000000
		and .vms[0].exits.total == 320 and (.vms[0] | has("per_vcpu") | not)'
	snapshot '"per_vcpu":true,"vm":"100"' | jq -e '.parameters.snapshot.vms[0].per_vcpu | length == 2'
}

@test "requests are answered in order, also after the client has shut down its side" {
	start
	run -0 ask '{"method":"exitstat.GetInfo"}' 'nonsense' '{"method":"exitstat.GetStatus"}'
	[ "${#lines[@]}" -eq 3 ]
	jq -e '.parameters | .product == "exitstat" and .protocol == 1' <<<"${lines[0]}"
	[[ $(error_of <<<"${lines[1]}") == "exitstat.BadRequest: not JSON"* ]]
	jq -e '.parameters.status | .attach == "replay" and .daemon.clients == 1 and .daemon.rss_bytes > 0
		and .daemon.cpu_ns > 0 and .daemon.samples > 0' <<<"${lines[2]}"
}

@test "errors name the thing" {
	start
	[ "$(ask '{"method":"exitstat.Nothing"}' | error_of)" = "exitstat.MethodNotFound: exitstat.Nothing" ]
	[[ $(snapshot '"wm":"x"' | error_of) == *"has no parameter wm" ]]
	[[ $(snapshot '"vm":7' | error_of) == *"parameter vm: must be a string" ]]
	[[ $(ask '{"method":"exitstat.GetInfo","oneway":true}' | error_of) == *"no member oneway" ]]
	[[ $(ask '[1]' | error_of) == *"not a JSON object" ]]
	[[ $(ask '{"method":"exitstat.Detach"}' | error_of) == exitstat.*:* ]]
	snapshot '"vm":"gest1"' | jq -e '.error == "exitstat.NoSuchVM" and .parameters.near[0] == "guest1"'
}

@test "a line of more than 64 KiB is refused, and the client disconnected" {
	start
	run -0 bash -c "{ head -c 70000 /dev/zero | tr '\0' x; echo; echo '{\"method\":\"exitstat.GetInfo\"}'; } |
		$client $socket send"
	[ "${#lines[@]}" -eq 1 ]
	[ "$(error_of <<<"$output")" = "exitstat.BadRequest: a request may have 64 KiB at most" ]
	ask '{"method":"exitstat.GetInfo"}' | jq -e .parameters
}

@test "random bytes do no harm" {
	start
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		head -c 20000 /dev/urandom | "$client" "$socket" send >/dev/null
	done
	ask '{"method":"exitstat.GetInfo"}' | jq -e .parameters
	stop
}

# held COMMAND…: a client that waits until its standard input ends, in the background
held() {
	mkfifo "$dir/fifo$#"
	"$client" "$socket" "$@" <"$dir/fifo$#" >"$dir/held" 3>&- &
	pids+=($!)
	eval "exec 8>$dir/fifo$#"
	for _ in {1..100}; do [ -s "$dir/held" ] && return; sleep 0.05; done
	return 1
}

@test "200 silent clients: a good one is answered" {
	start
	held hold 200
	run -0 "$client" "$socket" time 50 '{"method":"exitstat.GetInfo"}'
	echo "$output"
	ask '{"method":"exitstat.GetStatus"}' | jq -e '.parameters.status.daemon.clients > 100'
	exec 8>&-
}

@test "1000 silent clients: a good one is answered, and there are 256 at most" {
	[ "$(ulimit -n)" -gt 1100 ] || ulimit -n 4096 || skip "cannot open 1,000 files"
	start
	held hold 1000
	ask '{"method":"exitstat.GetStatus"}' | jq -e '.parameters.status.daemon
		| .clients <= 256 and .clients_refused >= 700'
	exec 8>&-
}

@test "a client that takes no answer holds up nobody" {
	start
	held deaf 3000 '{"method":"exitstat.GetSnapshot"}'
	run -0 "$client" "$socket" time 20 '{"method":"exitstat.GetSnapshot"}'
	echo "$output"
	exec 8>&-
}

# --- who sees what ---

@test "another user sees the VMs of that user, and no names of others" {
	need_root
	cp "$client" "$dir/c" && chmod 755 "$dir/c"
	start
	snapshot '' | jq -e '.parameters.snapshot.vms | map(.name) | contains(["guest1", "guest2"])'
	echo '{"method":"exitstat.GetSnapshot"}' | as_nobody "$dir/c" "$socket" send |
		jq -e '[.parameters.snapshot.vms[].name] | contains(["guest2"]) and (contains(["guest1"]) | not)'
	echo '{"method":"exitstat.GetSnapshot","parameters":{"vm":"guest1"}}' | as_nobody "$dir/c" "$socket" send |
		jq -e '.error == "exitstat.NoSuchVM" and (.parameters.near | contains(["guest1"]) | not)'
	echo '{"method":"exitstat.Detach"}' | as_nobody "$dir/c" "$socket" send |
		jq -e '.error == "exitstat.PermissionDenied"'
}

@test "a member of the group sees every VM" {
	need_root
	cp "$client" "$dir/c" && chmod 755 "$dir/c"
	start --group 54321
	local request='{"method":"exitstat.GetSnapshot","parameters":{"vm":"guest1"}}'
	echo "$request" | setpriv --reuid 65534 --regid 65534 --groups 54321,7 "$dir/c" "$socket" send |
		jq -e '.parameters.snapshot.vms[0].name == "guest1"'
	echo "$request" | setpriv --reuid 65534 --regid 54321 --clear-groups "$dir/c" "$socket" send |
		jq -e '.parameters.snapshot.vms[0].name == "guest1"'
	echo "$request" | as_nobody "$dir/c" "$socket" send | jq -e .error
}

@test "a flood by one user does not keep root out" {
	need_root
	cp "$client" "$dir/c" && chmod 755 "$dir/c"
	start
	local i
	for i in 1 2 3 4 5 6; do
		as_nobody "$dir/c" "$socket" flood 3 '{"method":"exitstat.GetSnapshot"}' >"$dir/flood$i" 3>&- &
		pids+=($!)
	done
	sleep 0.5
	run -0 "$client" "$socket" time 20 '{"method":"exitstat.GetSnapshot"}'
	echo "$output"
	local max=${output#*max }
	[ "${max%% *}" -lt 1000000 ]
}
