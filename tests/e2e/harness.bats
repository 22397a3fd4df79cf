# SPDX-License-Identifier: GPL-2.0-only
# tests/run and .ci/run: what does not run to its end must not count as passed.

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/{tests/unit,tests/e2e,tests/bpf,tests/lab,lab,.ci,bin}
	cp tests/run "$tree/tests/"
	cp .ci/run "$tree/.ci/"
	printf '# why\nbpf/known: *\n' >"$tree/tests/allowed-skips"
	unset CI BUILD TEST_TIMEOUT
}

# job PATH: an executable of what stands on stdin.
job() {
	{ echo '#!/bin/bash'; cat; } >"$tree/$1"
	chmod +x "$tree/$1"
}

# The last line, and the exit status.
expect() {
	echo "$output"
	[ "${lines[-1]}" = "$1" ]
	[ "$status" -eq "$2" ]
}

@test "passed tests of all suites are added up" {
	job tests/e2e/a <<<'echo 1..2; echo ok 1 - x; echo ok 2'
	printf '@test "b" { true; }\n' >"$tree/tests/e2e/b.bats"
	job tests/lab/c <<<'echo ok 1 - late plan; echo 1..1'
	job lab/selftest <<<'echo 1..1; echo ok 1'
	echo "not a job" >"$tree/tests/lab/README"
	run "$tree/tests/run"
	expect "5 passed, 0 failed" 0
	for name in e2e/a e2e/b lab/c lab/selftest; do
		[[ $output == *"$name "* ]]
	done
	[[ ${lines[-2]} == "0 skipped" ]]
}

@test "a failed test fails the run and shows what it said, others do not" {
	job tests/e2e/a <<<'echo 1..3; echo ok 1 - fine; echo "# fine words"; echo not ok 2 - broken; echo "# it is broken because"; echo ok 3; exit 1'
	run "$tree/tests/run"
	expect "2 passed, 1 failed" 1
	[[ $output == *"it is broken because"* ]]
	[[ $output != *"fine words"* ]]
}

@test "fewer tests than planned" {
	job tests/e2e/a <<<'echo 1..5; echo ok 1'
	run "$tree/tests/run"
	expect "1 passed, 4 failed" 1
}

@test "more tests than planned" {
	job tests/e2e/a <<<'echo 1..1; echo ok 1; echo ok 2'
	run "$tree/tests/run"
	expect "2 passed, 1 failed" 1
}

@test "no plan, nothing at all" {
	job tests/e2e/a <<<'echo ok 1'
	job tests/e2e/b <<<'exit 0'
	run "$tree/tests/run"
	expect "1 passed, 2 failed" 1
}

@test "a job that dies" {
	job tests/e2e/a <<<'echo 1..1; echo ok 1; kill -SEGV $$'
	run "$tree/tests/run"
	expect "1 passed, 1 failed" 1
	[[ $output == *"segmentation fault"* ]]
}

@test "an exit status that its tests do not explain" {
	job tests/e2e/a <<<'echo 1..1; echo ok 1; exit 3'
	run "$tree/tests/run"
	expect "1 passed, 1 failed" 1
	[[ $output == *"exit status 3"* ]]
}

@test "a job that hangs is ended, and what it started" {
	job tests/e2e/a <<<'echo 1..1; sleep 1234.5 & wait'
	TEST_TIMEOUT=1 run "$tree/tests/run"
	expect "0 passed, 2 failed" 1
	[[ $output == *"not done after 1 s"* ]]
	run pgrep -f 'sleep 1234[.]5'
	[ "$status" -eq 1 ]
}

# Each notes when it begins and ends; a second is long for that.
note='echo "$1 begins" >>order; sleep 1; echo "$1 ends" >>order; echo 1..1; echo ok 1'

@test "two jobs at a time, the longest first, one that is alone at the end" {
	for name in e2e/a e2e/b lab/c; do
		job "tests/$name" <<<"${note//\$1/$name}"
	done
	job lab/selftest <<<"# tests/run: alone
${note//\$1/alone}"
	run "$tree/tests/run"
	expect "4 passed, 0 failed" 0
	cat "$tree/order"
	# A lab may take longer than an e2e test.
	[[ $(head -n 2 "$tree/order" | sort | tr '\n' ' ') == "e2e/"?" begins lab/c begins " ]]
	[[ $(tail -n 2 "$tree/order" | tr '\n' ' ') == "alone begins alone ends " ]]
	rm "$tree/order"
	TEST_JOBS=1 run "$tree/tests/run" e2e lab/c
	expect "3 passed, 0 failed" 0
	[ "$(cut -d' ' -f2 "$tree/order" | uniq -d | wc -l)" -eq 0 ]
}

@test "a signal ends every job, and what it started" {
	for name in e2e/a lab/c; do
		job "tests/$name" <<<"touch $tree/\$\$.runs; sleep 4321.5 & wait"
	done
	"$tree/tests/run" >"$tree/said" 2>&1 3>&- &
	for _ in {1..50}; do
		[ "$(find "$tree" -name '*.runs' | wc -l)" -lt 2 ] || break
		sleep 0.1
	done
	kill -TERM $!
	wait $! || status=$?
	[ "$status" -eq 130 ]
	grep stopped "$tree/said"
	run pgrep -f 'sleep 4321[.]5'
	[ "$status" -eq 1 ]
}

@test "a unit test that was not built" {
	touch "$tree/tests/unit/test_x.c"
	run "$tree/tests/run"
	expect "0 passed, 2 failed" 1
	[[ $output == *"cannot be run"* ]]
}

@test "skips are listed with their reasons" {
	job tests/bpf/a <<<'echo 1..3; echo "ok 1 - one # SKIP no kernel"; echo "# skip: no cmocka"; echo "not ok 2 # SKIP two"; echo ok 3'
	job tests/bpf/b <<<'echo "1..0 # SKIP nothing here"'
	run "$tree/tests/run"
	expect "1 passed, 0 failed" 0
	[[ ${lines[-2]} == "3 skipped" ]]
	[[ $output == *"skipped bpf/a: one: no kernel"* ]]
	[[ $output == *"skipped bpf/a: two: no cmocka"* ]]
	[[ $output == *"skipped bpf/b: all: nothing here"* ]]
}

@test "in CI a skip that is not allowed fails" {
	job tests/bpf/known <<<'echo 1..1; echo "ok 1 - x # SKIP why"'
	CI=true run "$tree/tests/run"
	expect "0 passed, 0 failed" 0
	job tests/bpf/other <<<'echo 1..1; echo "ok 1 - x # SKIP why"'
	CI=true run "$tree/tests/run"
	expect "0 passed, 1 failed" 1
	[[ $output == *"NOT ALLOWED bpf/other: x: why"* ]]
}

@test "suites, jobs, files and patterns select" {
	job tests/e2e/a <<<'echo 1..1; echo ok 1'
	job tests/e2e/ab <<<'echo 1..1; echo ok 1'
	job tests/lab/c <<<'echo 1..1; echo ok 1'
	run "$tree/tests/run" e2e
	expect "2 passed, 0 failed" 0
	run "$tree/tests/run" e2e/a
	expect "1 passed, 0 failed" 0
	run "$tree/tests/run" tests/e2e/ab
	expect "1 passed, 0 failed" 0
	run "$tree/tests/run" 'e2e/a*' lab
	expect "3 passed, 0 failed" 0
	run "$tree/tests/run" nothing
	[ "$status" -eq 2 ]
}

# ci LINT-STATUS CHECK-OUTPUT CHECK-STATUS: .ci/run with a make that does just that.
ci() {
	cat >"$tree/bin/make" <<-END
		#!/bin/bash
		[ "\$1" = lint ] && exit $1
		printf '%s\n' '$2'
		exit $3
	END
	chmod +x "$tree/bin/make"
	PATH=$tree/bin:$PATH run "$tree/.ci/run"
}

@test "the matrix runs only if it is named, and ends with a table" {
	mkdir -p "$tree/tests/matrix"
	printf '# why\n6.1-x amd 60 tests/matrix/amd 6.1-x\n6.1-x intel 60 tests/matrix/intel\n9 amd 60 tests/matrix/amd 9\n' \
		>"$tree/tests/matrix/jobs.list"
	job tests/e2e/a <<<'echo 1..1; echo ok 1'
	job tests/matrix/amd <<<'echo 1..2; echo ok 1; [ "$1" = 9 ] && echo "not ok 2" || echo ok 2'
	job tests/matrix/intel <<<'echo "1..0 # SKIP no mirror"'
	run "$tree/tests/run"
	expect "1 passed, 0 failed" 0
	[[ $output != *KERNEL* ]]
	run "$tree/tests/run" matrix e2e
	expect "4 passed, 1 failed" 1
	grep -x "KERNEL  *AMD  *Intel" <<<"$output"
	grep -x "6.1-x  *2 ok  *skipped: no mirror" <<<"$output"
	grep -x "9  *1 of 2 FAILED  *-" <<<"$output"
	run "$tree/tests/run" matrix/9-amd
	expect "1 passed, 1 failed" 1
	[[ $output != *6.1-x* ]]
}

@test "the kernel suite runs only if it is named" {
	mkdir -p "$tree"/tests/kernel "$tree"/kernel-patch/v1
	job tests/e2e/a <<<'echo 1..1; echo ok 1'
	job tests/kernel/k <<<'echo 1..1; echo ok 1'
	job kernel-patch/check <<<'echo "1..1"; [ "$1" = v1 ] && echo ok 1'
	run "$tree/tests/run"
	expect "1 passed, 0 failed" 0
	run "$tree/tests/run" kernel
	expect "2 passed, 0 failed" 0
	[[ $output == *"kernel/series-v1 "* ]]
	run "$tree/tests/run" e2e kernel
	expect "3 passed, 0 failed" 0
}

@test ".ci/run ends with the counts and the right status" {
	ci 0 "7 passed, 0 failed" 0
	expect "7 passed, 0 failed" 0
	ci 0 "7 passed, 2 failed" 1
	expect "7 passed, 2 failed" 1
	ci 2 "7 passed, 0 failed" 0
	expect "7 passed, 1 failed" 1
	ci 0 "cc: error" 2
	expect "0 passed, 1 failed" 1
}
