#!/usr/bin/env bats
# What tests/lab/cost says of numbers that grew, against those kept: tests/bench/compare.jq.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || exit
	kept=$BATS_TEST_TMPDIR/kept.json
	now=$BATS_TEST_TMPDIR/now.jsonl
	cat >"$kept" <<'JSON'
{ "tools": [
  { "id": "empty", "group": "floor", "name": "floor", "added": { "cpuid": 100 } },
  { "id": "full", "group": "exitstatd", "name": "exitstatd", "added": { "cpuid": 400, "io": 600 } },
  { "id": "counts", "group": "exitstatd", "name": "exitstatd --x", "added": { "cpuid": 200, "io": 300 } } ] }
JSON
}

# rows CPUID IO CPUID IO: what was measured now, of the two modes.
rows() {
	cat >"$now" <<JSON
{"id":"none","loop":"cpuid","instructions":2900,"added":0}
{"id":"full","loop":"cpuid","instructions":1,"added":$1}
{"id":"full","loop":"io","instructions":1,"added":$2}
{"id":"full","paging":"npt=1","saw":5,"exits":5}
{"id":"counts","loop":"cpuid","instructions":1,"added":$3}
{"id":"counts","loop":"io","instructions":1,"added":$4}
JSON
}

compare() { jq -r -s --slurpfile kept "$kept" -f tests/bench/compare.jq "$now"; }

@test "up to a tenth more is taken" {
	rows 440 660 219.9 330
	run compare
	[ "$status" -eq 0 ]
	[ "$(cut -f1 <<<"$output" | sort -u)" = ok ]
	[ "${#lines[@]}" -eq 4 ]
}

@test "more than a tenth is said, with old, new, mode and loop" {
	rows 440.1 600 200 300
	run compare
	[ "${lines[0]}" = $'grown\texitstatd, cpuid: +400 -> +440.1' ]
	[ "$(grep -c ^ok <<<"$output")" -eq 3 ]
}

@test "more than a tenth less is said too" {
	rows 400 600 179.9 300
	run compare
	[ "${lines[2]}" = $'cheaper\texitstatd --x, cpuid: +200 -> +179.9' ]
}

@test "a mode that could not be measured does not pass" {
	rows 400 600 200 300
	sed -i '/"counts","loop":"io"/d' "$now"
	run compare
	[ "${lines[3]}" = $'missing\texitstatd --x, io: not measured, 300 is kept' ]
}

@test "a loop without a number kept does not pass" {
	rows 400 600 200 300
	sed -i 's/, "io": 600//' "$kept"
	run compare
	[ "${lines[1]}" = $'missing\texitstatd, io: +600, no number is kept' ]
}

@test "the numbers kept are those of docs/cost.md, and every mode has them" {
	run jq -r '[.tools[] | select(.group == "exitstatd") | select(.added | has("cpuid") and has("touch") and has("io"))] | length' \
		docs/cost.json
	[ "$output" = 5 ]
	table=$(jq -r -f tests/bench/table.jq docs/cost.json)
	[ -n "$table" ]
	[ "$(sed -n '/^<!-- cost.txt -->$/,/^<!-- end -->$/p' docs/cost.md | grep -v -e '^<!--' -e '^```$')" = "$table" ]
}
