#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstat record, and what reads its files, over a daemon that replays.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 1200
	record "$BATS_FILE_TMPDIR/ends" 400 8
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	client_setup
	ending=$BATS_FILE_TMPDIR/ends
	out=$dir/out.jsonl
}

teardown() {
	client_teardown
}

# in_background COMMAND…: its pid in $background, what it says in $dir/said
in_background() {
	"$@" 2>"$dir/said" 3>&- &
	background=$!
	pids+=("$background")
}

# lines_of FILE N: until it has N lines
lines_of() {
	local i
	for ((i = 0; i < 200; i++)); do
		[ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ] && return
		sleep 0.05
	done
	cat "$dir/said"
	return 1
}

# ended STATUS: the one in the background did, with that
ended() {
	local status=0
	wait "$background" || status=$?
	[ "$status" -eq "$1" ] || { cat "$dir/said"; echo "status $status"; return 1; }
}

# whole FILE: each line is a snapshot, times and counts go on, totals are the sums of their reasons
whole() {
	[ -z "$(tail -c 1 "$1" | tr -d '\n')" ]
	jq -se '(map(.schema == "exitstat/1" and .taken.interval_ns == null) | all)
		and ([.[].taken.monotonic_ns] | . == sort and . == unique)
		and ([.[].vms[].exits | .total == (.reasons | map(.count) | add // 0)] | all)' "$1" >"$dir/whole"
}

# --- record ---

@test "record --for: a snapshot a line, at the times asked for, and nothing else" {
	serve "$recording"
	run -0 --separate-stderr "$exitstat" record --for 1s --interval 0.2 -o "$out"
	[[ -z $output && -z $stderr ]]
	[ "$(wc -l <"$out")" -eq 6 ]
	whole "$out"
	# What is in the file is what the daemon replayed.
	jq -se --slurpfile all "$recording" 'map(. as $l | $all[] | select(.taken.monotonic_ns == $l.taken.monotonic_ns)
		| [.vms[].exits.total] == [$l.vms[].exits.total] and .host == $l.host) | length == 6 and all' "$out"
	run -0 --separate-stderr "$exitstat" record --for 0.3 -i 0.1 --vm guest1 -o -
	[[ -z $stderr ]]
	[ "$(jq -r '.vms | map(.name) | join(" ")' <<<"$output" | sort -u)" = guest1 ]
}

@test "record: Ctrl-C, SIGTERM and SIGHUP end it with a last look, status 0" {
	local signal
	serve "$recording"
	for signal in INT TERM HUP; do
		rm -f "$out"
		in_background "$exitstat" record --interval 30s -o "$out"
		lines_of "$out" 1
		sleep 0.3
		kill -"$signal" "$background"
		ended 0
		[ "$(wc -l <"$out")" -eq 2 ]
		whole "$out"
		[ ! -s "$dir/said" ]
	done
}

@test "record: a file that exists stays as it is, unless --force" {
	serve "$recording"
	echo mine >"$out"
	run -1 "$exitstat" record --for 0.1 -o "$out"
	[ "$output" = "exitstat: $out exists; --force overwrites it" ]
	[ "$(cat "$out")" = mine ]
	run -0 "$exitstat" record --for 0.2 -i 0.1 --force -o "$out"
	whole "$out"
	# Not even then without a daemon.
	stop_daemon
	cp "$out" "$dir/before"
	run -1 "$exitstat" record --force -o "$out"
	[[ $output == *"not running"* ]]
	cmp "$out" "$dir/before"
}

@test "record: a wrong command line is status 2, a file that cannot be written status 1" {
	run -2 "$exitstat" record
	[[ $output == "exitstat: record: where to? give -o FILE"* ]]
	run -2 "$exitstat" record --interval 10ms -o "$out"
	run -2 "$exitstat" record -o ''
	run -2 "$exitstat" record "$out"
	run -1 "$exitstat" record -o "$out"
	[[ $output == *"not running"* && ! -e $out ]]
	serve "$recording"
	run -1 "$exitstat" record -o "$dir/none/x"
	[ "$output" = "exitstat: cannot write $dir/none/x: No such file or directory" ]
	run -1 "$exitstat" record -o "$dir"
	[ "$output" = "exitstat: cannot write $dir: Is a directory" ]
	run -1 "$exitstat" record -o /dev/full
	[ "$output" = "exitstat: cannot write /dev/full: No space left on device" ]
	run -1 bash -c "'$exitstat' record -o - >/dev/full"
	[ "$output" = "exitstat: cannot write standard output: No space left on device" ]
}

@test "record: where the disk is full, what was written stays whole" {
	serve "$recording"
	run -1 bash -c "ulimit -f 30; '$exitstat' record -i 0.1 -o '$out'"
	[[ $output =~ ^"exitstat: cannot write $out: File too large; the "[0-9]+" looks before are in it"$ ]]
	whole "$out"
	[ "$(wc -l <"$out")" -ge 2 ]
}

@test "record --vm: before the VM comes; status 3 if it never does" {
	serve "$recording"
	run -3 "$exitstat" record --vm nobody --for 0.5 -i 0.1 -o "$out"
	[ "${lines[0]}" = "exitstat: no VM 'nobody' yet, waiting for it to come" ]
	[ "${lines[1]}" = "exitstat: no VM 'nobody' came; nothing was recorded but its absence" ]
	whole "$out"
	[ "$(jq -s '[.[].vms | length] | add' "$out")" -eq 0 ]
	stop_daemon
	# guest2 is first seen, as new, at the sixth look.
	jq -c 'if input_line_number <= 5 then .vms |= map(select(.name != "guest2")) else . end' "$recording" >"$dir/comes"
	serve "$dir/comes" --interval 300ms
	run -0 --separate-stderr "$exitstat" record --vm guest2 --for 3s -i 0.1 -o "$out" --force
	[ "$stderr" = "exitstat: no VM 'guest2' yet, waiting for it to come" ]
	jq -se '(first.vms | length) == 0 and (last.vms | map(.name)) == ["guest2"]' "$out"
}

@test "record: a VM that ended is in it with its final counts, also where it hides behind a new one" {
	serve "$ending"
	run -0 "$exitstat" record --for 2s -i 0.1 -o "$out"
	jq -se 'last.vms[] | select(.name == "guest2") | .state == "ended" and .exits.total == 7800 * 18' "$out"
	stop_daemon
	# At look 8 guest2 has ended and another guest2 has begun; a third, which lived in between, was never asked about.
	jq -c 'if .vms[1].state == "ended" then
		.vms += [(.vms[1] | .id = "vm-22" | .exits.reasons |= map(.count = 7)),
			 (.vms[1] | .id = "vm-23" | .state = "running" | .ended_ns = null | .exits.reasons |= map(.count = 10))]
		else . end' "$ending" >"$dir/again"
	serve "$dir/again"
	run -0 "$exitstat" record --vm guest2 --for 2s -i 0.1 -o "$out" --force
	jq -se 'last.vms | map({(.id): [.state, .exits.total]}) | add
		== {"vm-2": ["ended", 140400], "vm-22": ["ended", 21], "vm-23": ["running", 30]}' "$out"
	stop_daemon
	# What had ended before has no place in it.
	record "$dir/before" 50 0
	serve "$dir/before"
	run -3 "$exitstat" record --vm guest2 --for 0.3 -i 0.1 -o "$out" --force
	run -0 "$exitstat" record --for 0.3 -i 0.1 -o "$out" --force
	jq -se '[.[].vms[] | select(.name == "guest2")] == []' "$out"
}

@test "record goes on when the daemon is started anew, and says what is missing" {
	serve "$recording"
	in_background "$exitstat" record -i 0.1 -o "$out"
	lines_of "$out" 3
	stop_daemon
	await '^exitstat: daemon gone, waiting for it: ' cat "$dir/said"
	jq -c '.taken.monotonic_ns += 10000000000000 | .vms[].id += "-new"' "$recording" >"$dir/later"
	serve "$dir/later"
	await '^exitstat: daemon back; what happened meanwhile is not in the recording' cat "$dir/said"
	lines_of "$out" 6
	kill -INT "$background"
	ended 0
	[ "$(wc -l <"$dir/said")" -eq 2 ]
	whole "$out"
}

@test "record: a daemon that does not come back is an error; one whose clock went back, too" {
	serve "$recording"
	in_background "$exitstat" record --for 2s -i 0.1 -o "$out"
	lines_of "$out" 3
	stop_daemon
	ended 1
	whole "$out"
	head -n 3 "$recording" >"$dir/short"
	serve "$dir/short"
	in_background "$exitstat" record -i 0.1 -o "$dir/2"
	lines_of "$dir/2" 1
	stop_daemon
	await 'daemon gone' cat "$dir/said"
	jq -c '.taken.monotonic_ns -= 500000000000' "$recording" >"$dir/earlier"
	serve "$dir/earlier"
	ended 1
	grep -q "clock went back" "$dir/said"
}

@test "record: a daemon that hangs cannot keep it from ending" {
	local began
	serve "$recording"
	in_background "$exitstat" record -i 0.1 -o "$out"
	lines_of "$out" 2
	kill -STOP "$daemon"
	sleep 0.3
	began=$SECONDS
	kill -INT "$background"
	ended 1
	[ $((SECONDS - began)) -le 4 ]
	grep -q 'last look is missing' "$dir/said"
	kill -CONT "$daemon"
	whole "$out"
}

@test "record killed at any moment leaves whole lines and at most a piece of one" {
	local i
	serve "$recording" --interval 100ms
	for ((i = 0; i < 5; i++)); do
		rm -f "$out"
		in_background "$exitstat" record -i 0.1 -o "$out"
		lines_of "$out" 2
		sleep "0.0$((i * 17 % 10))"
		kill -KILL "$background"
		ended 137
		stop_daemon
		serve "$out" # the daemon refuses what is damaged
		stop_daemon
		serve "$recording"
	done
}
