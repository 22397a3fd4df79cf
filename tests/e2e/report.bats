#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# exitstat report: the file it writes, and how it fails. What the page looks like is tests/browser's matter.
# shellcheck disable=SC2034,SC2154 # variables shared with client.bash

setup_file() {
	bats_require_minimum_version 1.5.0
	local mode
	for mode in npt shadow; do
		jq -n -r --arg what boot --arg mode $mode -f tests/browser/run.jq >"$BATS_FILE_TMPDIR/$mode.jsonl"
	done
	load client.bash
	record "$BATS_FILE_TMPDIR/r" 4
}

setup() {
	bats_require_minimum_version 1.5.0
	load client.bash
	client_setup
	files=$BATS_FILE_TMPDIR
	out=$dir/out.html
}

one_error() {
	[[ ${#lines[@]} -eq 1 && ${lines[0]} == "exitstat: "* ]]
}

# What stands beside the page: nothing.
alone() {
	[ "$(ls -A "$(dirname "$out")")" = "$(basename "$out")" ]
}

@test "a page is written, silently and whole" {
	run -0 "$exitstat" report "$files/npt.jsonl" "$files/shadow.jsonl" -o "$out"
	[ -z "$output" ]
	[ "$(head -n 1 "$out")" = "<!DOCTYPE html>" ]
	[ "$(tail -n 1 "$out")" = "</html>" ]
	alone
	# The same again is the same file.
	cp "$out" "$BATS_TEST_TMPDIR/../first"
	run -0 "$exitstat" report "$files/npt.jsonl" "$files/shadow.jsonl" --output "$out"
	cmp "$out" "$BATS_TEST_TMPDIR/../first"
	run -0 --separate-stderr "$exitstat" report "$files/npt.jsonl" "$files/shadow.jsonl" -o -
	cmp "$out" - <<<"$output"
}

@test "a page does not depend on the locale" {
	name=$dir/數據.jsonl
	sed 's/guest1/gäst 数/' "$files/npt.jsonl" >"$name"
	LC_ALL=C.UTF-8 "$exitstat" report "$name" -o "$dir/a"
	LC_ALL=C "$exitstat" report "$name" -o "$dir/b"
	cmp "$dir/a" "$dir/b"
	grep -q '<h1>Why gäst 数 exits</h1>' "$dir/a"
	grep -q 'µs' "$dir/a"
}

@test "labels, title and VMs can be chosen" {
	run -0 "$exitstat" report "before <1>=$files/npt.jsonl" after="$files/shadow.jsonl" --title 'Two & more' -o "$out"
	grep -q '<h1>Two &amp; more</h1>' "$out"
	grep -q 'data-side="before &lt;1&gt;"' "$out"
	grep -q 'data-side="after"' "$out"
	# A file whose name has a = in it is a file.
	cp "$files/npt.jsonl" "$dir/a=b.jsonl"
	(cd "$dir" && "$exitstat" report a=b.jsonl -o out.html)
	grep -q 'data-side="a=b"' "$out"
	# Two of one name are told apart.
	mkdir "$dir/1" "$dir/2"
	cp "$files/npt.jsonl" "$dir/1/x.jsonl"
	cp "$files/shadow.jsonl" "$dir/2/x.jsonl"
	(cd "$dir" && "$exitstat" report 1/x.jsonl 2/x.jsonl 2/x.jsonl -o out.html)
	[ "$(grep -o 'figure class="panel[^>]*' "$out" | grep -o 'data-side="[^"]*"' | sort -u | wc -l)" -eq 3 ]
	grep -q 'data-side="2/x.jsonl"' "$out"
}

@test "each VM of a recording is a part of the page, or those that --vm means" {
	run -0 "$exitstat" report "$recording" -o "$out"
	[ "$(grep -c '<section class="vm"' "$out")" -eq 5 ]
	run -0 "$exitstat" report "$recording" --vm guest2 -o "$out"
	grep -q '<h1>Why guest2 exits</h1>' "$out"
	run -0 "$exitstat" report "$recording" --vm 'guest*' -o "$out"
	[ "$(grep -c '<section class="vm"' "$out")" -eq 2 ]
	run -3 "$exitstat" report "$recording" --vm nobody -o "$out.2"
	one_error
	[ ! -e "$out.2" ]
}

@test "a wrong command line is one line that helps, status 2" {
	local args
	for args in "" "$files/npt.jsonl" "-o $out" "$files/npt.jsonl -o" "$files/npt.jsonl -o $out --per year" \
		"$(printf 'x %.0s' 1 2 3 4 5 6 7 8 9) -o $out"; do
		# shellcheck disable=SC2086 # words are meant
		run -2 --separate-stderr "$exitstat" report ${args}
		[[ -z $output && ${#stderr_lines[@]} -eq 1 && $stderr == "exitstat: report: "* ]]
	done
	run -2 "$exitstat" report "$files/npt.jsonl"
	[[ $output == *"-o OUT.html"* ]]
	cp "$files/npt.jsonl" "$dir/same.jsonl"
	run -2 "$exitstat" report "$dir/same.jsonl" -o "$dir/same.jsonl"
	one_error
	cmp "$dir/same.jsonl" "$files/npt.jsonl"
}

@test "what cannot be read or written is one line, status 1, and leaves nothing behind" {
	echo old >"$out"
	run -1 "$exitstat" report "$dir/none.jsonl" -o "$out"
	one_error
	echo '{ "schema": "other/1" }' >"$files/foreign"
	run -1 "$exitstat" report "$files/npt.jsonl" "$files/foreign" -o "$out"
	one_error
	sed 's/"svm"/"vmx"/' "$files/shadow.jsonl" >"$files/vmx.jsonl"
	run -1 "$exitstat" report "$files/npt.jsonl" "$files/vmx.jsonl" -o "$out"
	one_error
	[ "$(cat "$out")" = old ]
	alone
	run -1 "$exitstat" report "$files/npt.jsonl" -o "$dir/no/such/out.html"
	one_error
	[[ $output == *"$dir/no/such/out.html"* ]]
	run -1 "$exitstat" report "$files/npt.jsonl" -o "$dir"
	one_error
	run -1 "$exitstat" report "$files/npt.jsonl" -o /dev/full
	one_error
	[ -c /dev/full ]
}

@test "a page keeps to umask, replaces what a link points to, and goes into a pipe" {
	(umask 027 && "$exitstat" report "$files/npt.jsonl" -o "$out")
	[ "$(stat -c %a "$out")" = 640 ]
	ln -s out.html "$dir/link"
	run -0 "$exitstat" report "$files/shadow.jsonl" -o "$dir/link"
	[ -L "$dir/link" ]
	grep -q 'data-side="shadow"' "$out"
	mkfifo "$dir/pipe"
	cat "$dir/pipe" >"$dir/copy" &
	run -0 "$exitstat" report "$files/shadow.jsonl" -o "$dir/pipe"
	wait $!
	cmp "$dir/copy" "$out"
	[ -p "$dir/pipe" ]
}

@test "a recording that was cut, one snapshot, and none" {
	head -c -100 "$files/npt.jsonl" >"$dir/cut.jsonl"
	run -0 "$exitstat" report "$dir/cut.jsonl" -o "$out"
	grep -q 'ends in the middle of a line' "$out"
	tail -n 1 "$files/npt.jsonl" >"$dir/one.json"
	run -0 "$exitstat" report "$dir/one.json" -o "$out"
	grep -q 'data-count="2995"' "$out"
	grep -q 'Nothing was measured over time' "$out"
	: >"$dir/empty.jsonl"
	run -1 "$exitstat" report "$dir/empty.jsonl" -o "$out.2"
	one_error
}
