#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstat record, and what reads its files, over a daemon that replays.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 1200
	record "$BATS_FILE_TMPDIR/ends" 400 8
	# The same guest1 in two runs of 30 s and 20 s: with nested paging, and with what guest2 does as shadow paging.
	head -n 31 "$BATS_FILE_TMPDIR/r" >"$BATS_FILE_TMPDIR/nested.jsonl"
	head -n 21 "$BATS_FILE_TMPDIR/r" | jq -c '.vms |= map(if .name == "guest2" then .name = "guest1" | .vcpus = 4
		elif .name == "guest1" then .name = "other" else . end)' >"$BATS_FILE_TMPDIR/shadow.jsonl"
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	client_setup
	ending=$BATS_FILE_TMPDIR/ends
	out=$dir/out.jsonl
	nested=$BATS_FILE_TMPDIR/nested.jsonl
	shadow=$BATS_FILE_TMPDIR/shadow.jsonl
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

one_error() {
	[[ ${#lines[@]} -eq 1 && ${lines[0]} == "exitstat: "* ]]
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

@test "record: a daemon that is slow to answer is waited for in silence" {
	serve "$recording"
	in_background "$exitstat" record -i 0.1 -o "$out"
	lines_of "$out" 2
	kill -STOP "$daemon"
	sleep 1.5
	kill -CONT "$daemon"
	lines_of "$out" $(($(wc -l <"$out") + 3))
	kill -TERM "$background"
	ended 0
	[ ! -s "$dir/said" ]
	whole "$out"
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

# --- compare ---

# sums FILE: in a comparison's JSON, rows sum to the total, and their parts to 1
sums() {
	jq -e '.pairs | length > 0 and (map(. as $p | [.classes, .reasons] | map(. as $rows
		| ([0, 1] | map(. as $i
			| ([$rows[].sides[$i].count] | add // 0) == $p.total.sides[$i].count
			and ([$rows[].sides[$i].time_ns] | add // 0) == $p.total.sides[$i].time_ns
			and ((([$rows[].sides[$i].count_per] | add // 0) - $p.total.sides[$i].count_per) | fabs) < 1e-6) | all)
		and ($p.total.explained == null or ((([$rows[].explained] | add) - 1) | fabs) < 1e-9)) | all) | all)' "$1" >"$dir/sums"
}

# column TITLE N: the cells of that column in the N-th table of $output, the total last. Tables are aligned: cut by place.
column() {
	awk -v title="$1" -v n="$2" '
		/^(CLASS|REASON) / { table++; end = match($0, title "( |$)") + length(title) - 1; inside = table == n; next }
		/^$/ { inside = 0 }
		inside { cell = substr($0, 1, end); sub(/.* /, "", cell); gsub(/[,%]/, "", cell); print cell }' <<<"$output"
}

# sums_up TITLE TABLE SLACK: the column's cells but the last sum to the last
sums_up() {
	column "$1" "$2" | awk -v slack="$3" '{ v[NR] = $1 } END {
		for (i = 1; i < NR; i++) sum += v[i]
		d = sum - v[NR]; if (d < 0) d = -d
		if (NR < 3 || d > slack) { print "sum " sum ", total " v[NR]; exit 1 } }'
}

@test "compare: what differs, what explains it, and tables that sum to their totals" {
	local per table
	export LC_ALL=C
	for per in second guest-second total; do
		run -0 --separate-stderr "$exitstat" compare "$nested" "$shadow" --vm guest1 --per "$per"
		[ -z "$stderr" ]
		[[ ${lines[0]} == "Exits "*"kvmhost, Linux 6.1.0-42-amd64, AMD SVM" ]]
		[[ ${lines[1]} == "A  $nested - guest1 - nested paging (npt) - 4 vCPUs - 30.0s - 1970-01-12 13:46:40" ]]
		[[ ${lines[3]} == "B  $shadow - guest1 - shadow paging - 4 vCPUs - 20.0s - 1970-01-12 13:46:40" ]]
		[[ $output == *"INVLPG, EXCP_PF and WRITE_CR3 (shadow paging) explain "*"% of the difference"* ]]
		for table in 1 2; do
			sums_up "EXITS A" "$table" 0
			sums_up "EXITS B" "$table" 0
			sums_up EXPLAINS "$table" 0.5
		done
		run -0 --separate-stderr "$exitstat" compare "$nested" "$shadow" --vm guest1 --per "$per" --format json
		echo "$output" >"$dir/json"
		sums "$dir/json"
		jq -e --arg per "$per" '.per == $per and .pairs[0].total.sides[0].count == 1640 * 30
			and .pairs[0].total.sides[1].count == 7800 * 20 and .pairs[0].summary != ""' "$dir/json"
	done
	run -0 "$exitstat" compare "$nested" "$shadow" --vm guest1
	[[ $output == *"B has 4.76x the exits per second of A; "* ]]
	sums_up A/s 2 0.3
	sums_up B/s 2 0.3
	[ "$(column A/s 2 | tail -n 1)" = 1640.0 ]
}

@test "compare --format csv: what JSON says, as counted" {
	run -0 "$exitstat" compare "$nested" "$shadow" --format json
	echo "$output" >"$dir/json"
	run -0 "$exitstat" compare "$nested" "$shadow" --format csv
	[ "${lines[0]}" = "vm_a,vm_b,reason,code,class,count_a,count_b,time_ns_a,time_ns_b" ]
	[ ${#lines[@]} -gt 5 ]
	[ "$(printf '%s\n' "${lines[@]:1}")" = "$(jq -r '.pairs[] | [.sides[].name] as $vms | .reasons[] |
		$vms + [.name, .code, .class, .sides[0].count, .sides[1].count, .sides[0].time_ns, .sides[1].time_ns] |
		map(tostring) | join(",")' "$dir/json")" ]
}

@test "compare: VMs are paired by name, the others named; --with pairs two names" {
	run -0 --separate-stderr "$exitstat" compare "$nested" "$shadow"
	[ "$(grep -c '^A  ' <<<"$output")" -eq 4 ]
	[[ $output == *"Only in A: guest2"* && $output == *"Only in B: other"* ]]
	run -0 --separate-stderr "$exitstat" compare "$nested" "$shadow" --format json
	echo "$output" >"$dir/json"
	sums "$dir/json"
	jq -e '.alone == [["guest2"], ["other"]] and ([.pairs[].sides | map(.name) | unique | length == 1] | all)' "$dir/json"
	run -0 --separate-stderr "$exitstat" compare "$nested" "$shadow" --vm guest1 --with other
	[ -z "$stderr" ]
	[[ $output == *"A and B have about as many exits per second (1,640.0 and 1,640.0)."* ]]
	# One VM each: those, and it is said.
	for f in nested shadow; do
		jq -c --arg n "$f" '.vms |= (map(select(.name == "guest1")) | map(.name = $n))' "${!f}" >"$dir/$f"
	done
	run -0 --separate-stderr "$exitstat" compare "$dir/nested" "$dir/shadow"
	[[ $stderr == *"note: comparing 'nested' with 'shadow', the only VMs in these files"* ]]
	run -3 "$exitstat" compare "$nested" "$shadow" --vm nobody
	one_error
	[[ $output == *"no VM 'nobody' ran in it, but 'guest1'"* ]]
	run -3 "$exitstat" compare "$nested" "$dir/shadow"
	one_error
	[[ $output == *"no VM of one name in both"*"--vm and --with" ]]
}

@test "compare takes snapshots as snapshot --format json prints them" {
	serve "$recording"
	"$exitstat" snapshot --vm guest1 --format json >"$dir/totals.json"
	"$exitstat" snapshot --vm guest1 --for 1s --format json >"$dir/difference.json"
	run -0 "$exitstat" compare "$dir/totals.json" "$dir/difference.json"
	[[ $output == *"A and B have about as many exits per second (1,640.0 and 1,640.0)."* ]]
	grep -qE '^A  .*totals.json · guest1 · .* since first seen' <<<"$output"
	run -0 --separate-stderr bash -c "'$exitstat' compare <(cat '$nested') '$dir/totals.json' --vm guest1"
	[[ $output == *"A  /dev/fd/"* ]]
}

@test "compare refuses another vendor, and warns of what makes a comparison hard" {
	jq -c '.host.isa = "vmx"' "$shadow" >"$dir/vmx"
	run -1 "$exitstat" compare "$nested" "$dir/vmx" --vm guest1
	one_error
	[[ $output == *"their exit reasons have nothing in common"* ]]
	jq -c '.host.hostname = "h2" | .host.kernel = "6.12" | .vms[].vcpus = 1 | .vms[].paging.nested = true
		| .health.missed = input_line_number | (.vms[].exits.reasons[] | .time_ns, .hist, .max_ns) = null' "$shadow" |
		head -n 10 >"$dir/odd"
	printf '{"schema":"exi' >>"$dir/odd"
	run -0 --separate-stderr "$exitstat" compare "$nested" "$dir/odd" --vm guest1
	for what in 'different hosts: kvmhost and h2' 'different kernels: 6.1.0-42-amd64 and 6.12' 'A has 4 vCPUs, B has 1' \
		'B ran guests of its own' 'B lost events (of all VMs): 9 skipped' 'B ends in the middle of a line' \
		'Times were measured on A only' 'Very different spans: A 30.0 s, B 9.0 s' 'Very different loads'; do
		grep -qF "exitstat: warning: " <<<"$stderr"
		grep -qF "$what" <<<"$stderr"
	done
	[ "${#stderr_lines[@]}" -eq 9 ]
	[[ $output == *"A  $nested"*"6.1.0-42-amd64"*"B  $dir/odd"*"h2, Linux 6.12"* ]]
	run -0 --separate-stderr "$exitstat" compare "$nested" "$dir/odd" --vm guest1 --format json
	jq -e '.pairs[0].warnings | length == 9' <<<"$output"
}

@test "compare: damaged, foreign, missing and hostile files are one line with file, line and reason, status 1" {
	refused() {
		run -1 --separate-stderr "$exitstat" compare "$1" "$nested"
		[[ -z $output && ${#stderr_lines[@]} -eq 1 ]]
		grep -qE "^exitstat: $2" <<<"$stderr"
	}
	sed '7s/"schema"/"schema/' "$nested" >"$dir/x"
	refused "$dir/x" "$dir/x:7: not JSON"
	sed '7s,exitstat/1,exitstat/2,' "$nested" >"$dir/x"
	refused "$dir/x" "$dir/x:7: schema exitstat/2: of a newer exitstat; this one reads exitstat/1"
	cat "$nested" "$nested" >"$dir/x"
	refused "$dir/x" "$dir/x:32: time goes back: are these two recordings in one file\\?"
	(cat "$nested" && tail -n 1 "$shadow" | jq -c '.taken.monotonic_ns *= 2 | .vms[].id = "vm-1"') >"$dir/x"
	refused "$dir/x" "$dir/x:32: two VMs have the id vm-1"
	(cat "$nested" && tail -n 1 "$nested" | jq -c '.taken.monotonic_ns *= 2 | .vms[0].exits.reasons[0].count = 1') >"$dir/x"
	refused "$dir/x" "$dir/x:32: exits of VM vm-1 go back: CPUID from 5600 to 1"
	: >"$dir/x"
	refused "$dir/x" "$dir/x:1: no snapshot in it"
	{ echo -n x && head -c 100000 /dev/urandom; } >"$dir/x" # not first a newline: that would be an empty line
	refused "$dir/x" "$dir/x:1: "
	cp "$exitstat" "$dir/x"
	refused "$dir/x" "$dir/x:1: not JSON"
	echo '{"schema":"exitstat-list/1"}' >"$dir/x"
	refused "$dir/x" "$dir/x:1: schema 'exitstat-list/1' is not exitstat/1"
	head -n 1 "$nested" >"$dir/x"
	truncate -s 70M "$dir/x"
	refused "$dir/x" "$dir/x:2: longer than 64 MiB"
	refused /dev/zero "/dev/zero:1: longer than 64 MiB"
	refused "$dir" "cannot read $dir: it is a directory"
	refused "$dir/none" "cannot read $dir/none: No such file"
	printf '%100000s\n' '' | tr ' ' '[' >"$dir/x"
	refused "$dir/x" "$dir/x:1: not JSON"
	"$exitstat" compare "$nested" "$nested" --format json >"$dir/x"
	refused "$dir/x" "$dir/x:1: schema 'exitstat-compare/1' is not exitstat/1"
	run -2 "$exitstat" compare "$nested"
	run -2 "$exitstat" compare "$nested" "$shadow" "$shadow"
	run -2 "$exitstat" compare "$nested" "$shadow" --per minute
}

@test "a file cut anywhere in its last two lines reads as its whole lines" {
	local n size first whole
	size=$(stat -c %s "$nested")
	first=$(head -n 29 "$nested" | wc -c)
	for ((n = first; n < size; n += 311)); do
		head -c "$n" "$nested" >"$dir/cut.jsonl"
		run -0 --separate-stderr "$exitstat" compare "$dir/cut.jsonl" "$nested" --format json --vm guest1
		whole=$(wc -l <"$dir/cut.jsonl")
		jq -e --argjson whole "$whole" '.runs[0] | .snapshots == $whole' <<<"$output"
		if [ -n "$(tail -c 1 "$dir/cut.jsonl" | tr -d '\n')" ]; then
			[[ $stderr == *"warning: A ends in the middle of a line: its recorder was killed, or is still at work."* ]]
			jq -e '.runs[0].cut' <<<"$output"
		else
			jq -e '.runs[0].cut | not' <<<"$output"
		fi
	done
}
