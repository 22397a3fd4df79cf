#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The man pages hold what the programs have: options, keys, members of JSON, methods. (exitstat's verbs: cli.bats)
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	client_setup
}

teardown() {
	client_teardown
}

# names PAGE: what it prints in bold, one a line; lists in one pair of stars are split
names() {
	grep -o '\*[^*]*\*' "man/$1.scd" | tr -d '*' | tr ', ' '\n\n' | sort -u
}

# all_in PAGE: each line of stdin is named there
all_in() {
	local word missing=0
	while read -r word; do
		grep -qxF -- "$word" <(names "$1") || { echo "$1 does not name $word" && missing=1; }
	done
	return $missing
}

@test "no page makes man complain, and each has the sections a reader looks for" {
	local page
	for page in "$build"/man/*; do
		run -0 man --warnings -E UTF-8 -l "$page"
		[[ $output == *NAME*DESCRIPTION* && $output == *"SEE ALSO"* ]]
		[ -z "$(man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)" ]
	done
}

@test "pages that are referred to are there" {
	local ref
	grep -ohE '\*exitstat[a-z.-]*\*\([0-9]\)' man/*.scd | tr -d '*)' | tr '(' '.' | sort -u >"$dir/refs"
	[ "$(wc -l <"$dir/refs")" -ge 6 ]
	while read -r ref; do [ -f "man/$ref.scd" ]; done <"$dir/refs"
}

@test "exitstatd(8) has every option, and no other" {
	"$exitstatd" --options | cut -f 2 | all_in exitstatd.8
	run -0 diff <("$exitstatd" --options | cut -f 2 | sort) \
		<(sed -n '/^# OPTIONS/,/^# [^O]/p' man/exitstatd.8.scd | grep '^\*--' | grep -oE -- '--[a-z-]+' | sort)
}

@test "exitstatd.conf(5) has every key, and says which of them SIGHUP changes" {
	local key documented=$dir/documented
	sed -n '/^# KEYS/,/^# EX/s/^\*\([a-z-]*\)\*$/\1/p' man/exitstatd.conf.5.scd | sort >"$documented"
	"$exitstatd" --options | cut -f 2 | sed 's/^--//; s/^no-//' | sort -u | while read -r key; do
		echo "$key = " >"$dir/conf"
		"$exitstatd" --config "$dir/conf" --replay /nonexistent --socket "$dir/s" 2>&1 | grep -q 'unknown key' || echo "$key"
	done >"$dir/keys"
	[ "$(wc -l <"$dir/keys")" -ge 9 ]
	diff "$documented" "$dir/keys"
	diff <(grep -B1 -A1 '^	.*(SIGHUP)' man/exitstatd.conf.5.scd | sed -n 's/^\*\([a-z-]*\)\*$/\1/p' | sort) \
		<(sed -n '/^static const struct setting settings/,/^};/p' src/config.c | tr '\n' ' ' | sed 's/{ "/\n/g' |
			grep -w LIVE | sed 's/".*//' | sort)
}

@test "exitstat-json(5) has every member of a snapshot and of a list" {
	record "$dir/r" 3
	serve "$dir/r"
	"$exitstat" snapshot --per-vcpu --format json | jq -r 'paths[] | strings' | sort -u >"$dir/members"
	"$exitstat" list --format json | jq -r 'paths[] | strings' | sort -u >>"$dir/members"
	sed -n 's/.*\[ES_FLAG_[A-Z0-9_]*\] = "\(.*\)",/\1/p' src/reasons.c >"$dir/flags"
	[ "$(wc -l <"$dir/members")" -gt 90 ]
	[ "$(wc -l <"$dir/flags")" -ge 9 ]
	grep -vxFf "$dir/flags" "$dir/members" | all_in exitstat-json.5
	while read -r flag; do grep -qw "$flag" man/exitstat-json.5.scd; done <"$dir/flags"
}

@test "exitstat-protocol(7) and docs/protocol.md have every method and error" {
	local name
	grep -ohE '"exitstat\.[A-Z][A-Za-z]+"' src/daemon_*.c src/server.c src/client.c | tr -d '"' | sort -u >"$dir/names"
	[ "$(wc -l <"$dir/names")" -ge 10 ]
	all_in exitstat-protocol.7 <"$dir/names"
	while read -r name; do grep -qF "\`$name\`" docs/protocol.md; done <"$dir/names"
}

@test "what exitstat-protocol(7) and exitstat-recording(5) say of limits is what docs/ say" {
	local fact
	for fact in '64 KiB' '256' '32 of one uid' '60 s' '10 s' '100 ms' '20 ms' '60000000000'; do
		grep -qF "$fact" man/exitstat-protocol.7.scd
		grep -qF "$fact" docs/protocol.md
	done
	for fact in '64 MiB' '64 others' 'ten minutes'; do
		grep -qF "$fact" man/exitstat-recording.5.scd
		grep -qF "$fact" docs/recordings.md
	done
}

# The jq of a page's EXAMPLES, run over the fixture or what comes from it.
example() {
	sed -n '/^# EXAMPLES/,/^# SEE/p' "man/$1.scd" | sed -n '/^```$/,/^```$/p' | grep -v '^```$' | sed 's/\\\\/\\/g'
}

@test "the examples of exitstat-json(5) and exitstat-recording(5) work" {
	record "$dir/hour.jsonl" 3
	serve "$dir/hour.jsonl"
	PATH=$build:$PATH
	run -0 bash -c "$(example exitstat-json.5)"
	[[ ${lines[0]} =~ ^[0-9]+\ guest ]]
	cd "$dir"
	run -0 bash -c "$(cd "$OLDPWD" && example exitstat-recording.5)"
	[[ ${#lines[@]} -eq 3 && ${lines[0]} =~ ^\[[0-9]+,[0-9]+\]$ ]]
}

@test "the example of exitstatd.conf(5) is a config file" {
	example exitstatd.conf.5 >"$dir/conf"
	run "$exitstatd" --config "$dir/conf" --group 0 --replay /nonexistent --socket "$dir/s"
	[[ $status -eq 1 && $output == */nonexistent* && $output != *"$dir/conf:"* ]]
}
