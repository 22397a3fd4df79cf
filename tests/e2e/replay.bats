#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstat replay as a person sees it, under tmux, and its plain text. No daemon runs.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 100 50
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	load terminal.bash
	client_setup
	terminal_setup
}

teardown() {
	terminal_teardown
	client_teardown
}

# replay [OPTION]…: of the recording, in a terminal
replay() {
	exitstat_in 100 24 -- replay "$@" "$recording"
}

@test "replay shows what top shows, and where it is" {
	replay
	shows '^guest1 +4201 +4 npt +running +1\.64k '
	[[ $(line 1) == "exitstat  kvmhost, Linux 6.1.0-42-amd64, AMD SVM "*" replay "*" of 100  1x  13:46:"?? ]]
	shows '^Enter open .* p pause +,/\. step +\+/- speed +h help +q quit$'
	fits 100
	keys q
	shows '^status 0'
	replay --vm guest1
	shows '^1\.64k exits/s · outside the guest 13\.1% · idle 30\.3% · [0-9,]+ exits in '
	shows '^IOIO +[0-9,]+ +900 +54\.9%|^IOIO +io +[0-9,]+ +900 +54\.9%'
	keys q
	shows '^status 0'
}

@test "it stops, steps on and back, leaps, and goes on" {
	replay
	shows 'replay 2 of 100'
	keys p
	shows '^paused at 13:46:4'
	keys .
	shows "replay 3 of 100"
	keys . . .
	shows "replay 6 of 100"
	shows '^guest1 .*1\.64k'
	keys ,
	shows "replay 5 of 100"
	shows '^guest1 .*1\.64k +13\.1%'
	keys ']'
	shows 'replay 15 of 100  1x  13:46:54'
	keys '[' '[' '['
	shows 'replay 1 of 100'
	shows '^guest1 .* - '
	keys ,
	shows 'replay 1 of 100'
	keys p
	not_shown '^paused'
	shows 'replay [3-9] of 100'
}

@test "steps leave the opened VM open, also before it ended and after" {
	replay --vm guest2
	shows '^guest2 · pid 4202 · 2 vCPUs · shadow paging · running'
	keys p ']' ']' ']' ']' ']' ']'
	shows '^guest2 · .* · ended 1[0-9]\.0s ago, final counts'
	shows '^WRITE_CR3 .* 102,000 '
	keys '[' '[' '['
	shows '^guest2 · .* · running'
	shows '^exits/s +█+ +peak 7\.80k'
}

@test "speed: doubled, halved, given; at the end the last look stays" {
	replay --speed 8
	shows ' of 100  8x '
	keys + + -
	shows ' of 100  16x '
	keys - - - - -
	shows ' of 100  1/2x '
	keys ']' ']' ']' ']' ']' ']' ']' ']' ']' ']' ']'
	shows 'replay 100 of 100  end  13:48:19'
	sleep 0.5
	shows 'replay 100 of 100  end  13:48:19'
	shows '^guest1 .*1\.64k'
	keys .
	shows 'replay 100 of 100  end'
	keys '['
	shows 'replay 90 of 100'
}

@test "help names the keys of a replay, and those only" {
	replay
	shows '^guest1 '
	keys h
	shows '^ \. +stop, one look forward'
	shows '^ \[ +a tenth of the recording back'
	! screen | grep -q 'double the interval'
}

@test "the paging view, and --sort" {
	replay --paging
	shows '^VM .*PAGING'
	shows ' of 100  1x'
	keys m
	shows '^VM .*TOP REASONS'
}

@test "--batch: a round a look, at once, the same numbers as top's" {
	local began=$SECONDS
	run -0 --separate-stderr "$exitstat" replay --batch "$recording"
	[ -z "$stderr" ]
	[ $((SECONDS - began)) -lt 20 ]
	[ "$(grep -c '^VM ' <<<"$output")" -eq 100 ]
	[ "$(grep -cE '^guest1 .*1\.64k +13\.1%' <<<"$output")" -eq 99 ]
	[[ ${lines[0]} == "13:46:40  kvmhost, "* && $output == *"13:48:19  kvmhost, "* ]]
	run -0 "$exitstat" replay "$recording" --batch -n 3 --vm guest2
	[ "$(grep -c '^VM ' <<<"$output")" -eq 3 ]
	[ "$(grep -cE '^INVLPG +paging +[0-9,]+ +4,000|^INVLPG +paging +[0-9,]+ +4\.00k' <<<"$output")" -eq 2 ]
	run -0 "$exitstat" replay --batch --paging --vm guest2 -n 2 "$recording"
	[[ $output == *"Shadow paging"* ]]
}

@test "a snapshot can be looked at like a recording of one look" {
	head -n 1 "$recording" | jq . >"$dir/totals.json"
	run -0 "$exitstat" replay --batch "$dir/totals.json"
	[ "$(grep -c '^VM ' <<<"$output")" -eq 1 ]
	jq '.taken.interval_ns = 10000000000' "$dir/totals.json" >"$dir/difference.json"
	run -0 "$exitstat" replay --batch "$dir/difference.json"
	grep -qE '^guest1 .*1\.64k' <<<"$output"
	exitstat_in 80 24 -- replay "$dir/totals.json"
	shows 'replay 1 of 1  end'
}

@test "a cut recording is shown up to there, with one warning" {
	head -c -20 "$recording" >"$dir/cut"
	run -0 --separate-stderr "$exitstat" replay --batch "$dir/cut"
	[[ ${#stderr_lines[@]} -eq 1 && $stderr == "exitstat: note: $dir/cut: the last line is not whole: "* ]]
	[ "$(grep -c '^VM ' <<<"$output")" -eq 99 ]
	exitstat_in 100 24 -- replay "$dir/cut"
	shows 'replay . of 99'
	shows "^$dir/cut: the last line is not whole|the last line is not whole"
}

@test "what cannot be replayed is one line, and a status" {
	run -3 "$exitstat" replay --batch --vm nobody "$recording"
	[ "$output" = "exitstat: $recording: no VM 'nobody' in it" ]
	run -1 "$exitstat" replay --batch "$dir/none"
	[ "$output" = "exitstat: cannot read $dir/none: No such file or directory" ]
	sed '5s/^{/[/' "$recording" >"$dir/x"
	run -1 --separate-stderr "$exitstat" replay --batch "$dir/x"
	[[ -z $output && $stderr == "exitstat: $dir/x:5: not JSON"* ]]
	mkfifo "$dir/fifo"
	run -1 timeout 10 "$exitstat" replay --batch "$dir/fifo"
	[ "$output" = "exitstat: cannot replay $dir/fifo: not a regular file" ]
	run -1 "$exitstat" replay --batch "$dir"
	run -2 "$exitstat" replay --batch
	run -2 "$exitstat" replay "$recording"
	[[ $output == *"needs a terminal; use \`exitstat replay --batch\`"* ]]
	run -2 "$exitstat" replay --batch --speed 10000 "$recording"
	run -2 "$exitstat" replay -n 3 "$recording"
	run -2 "$exitstat" replay --batch --speed 0 "$recording"
}

@test "a file that changes under it ends there" {
	cp "$recording" "$dir/r"
	exitstat_in 100 24 -- replay "$dir/r"
	shows 'replay 2 of 100'
	truncate -s 0 "$dir/r"
	keys ']' ']' ']' ']' ']' ']' ']' ']'
	shows 'shorter than it was|no snapshot in it'
	shows ' end '
	keys ,
	sleep 0.3
	keys q
	shows '^status 0'
}
