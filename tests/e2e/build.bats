# SPDX-License-Identifier: GPL-2.0-only
# The Makefile: a second make does nothing, and make install neither compiles nor
# writes to the tree (it runs inside the lab, on a read-only one).

setup_file() {
	export TREE=$BATS_FILE_TMPDIR/tree
	mkdir "$TREE"
	tar -c --exclude=./build/lab --exclude=./build/asan --exclude=./build/test-logs --exclude=./.git . |
		tar -x -C "$TREE"
	make -C "$TREE" all
	[ -x "$TREE/build/exitstat" ]
}

setup() {
	cd "$TREE" || return 1
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

# Every file of the tree with what would change if it were touched.
stamps() {
	find . -printf '%p %T@ %s %i\n' | sort
}

@test "a second make does nothing" {
	run make all
	[ "$status" -eq 0 ]
	[[ $output == *"Nothing to be done for 'all'"* ]]
}

@test "install needs no compiler and leaves the tree alone" {
	before=$(stamps)
	run make install DESTDIR="$BATS_TEST_TMPDIR/root" PKGCONF=/nonexistent/pkgconf
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output != *"CC "* && $output != *"LD "* ]]
	[ "$(stamps)" = "$before" ]
	for f in usr/local/sbin/exitstatd usr/local/bin/exitstat; do
		[ -x "$BATS_TEST_TMPDIR/root/$f" ]
	done
}

@test "PREFIX moves it, uninstall takes it all away" {
	root=$BATS_TEST_TMPDIR/root
	make install DESTDIR="$root" PREFIX=/usr
	[ -x "$root/usr/sbin/exitstatd" ]
	[ "$(find "$root" -type f | grep -c '/man/man[0-9]/')" -eq "$(find man -name '*.scd' | wc -l)" ]
	make uninstall DESTDIR="$root" PREFIX=/usr
	[ -z "$(find "$root" -type f)" ]
}

@test "a header that changes rebuilds what includes it, and only that" {
	run make -n all -W include/exitstat/hist.h
	[[ $output == *"src/hist.c"* ]]
	[[ $output != *"-c -o build/obj/src/log.o"* ]]
}

@test "other flags rebuild" {
	run make -n all CFLAGS=-DES_OTHER
	[[ $output == *"-c -o build/obj/src/hist.o"* ]]
}

@test "what is missing is said in one line" {
	rm build/.tools
	run make build/.tools BPF_CLANG=no-such-clang
	[ "$status" -ne 0 ]
	[[ ${lines[0]} == "exitstat: cannot build, missing: no-such-clang; run scripts/deps build" ]]
}

@test "help names every target" {
	run make help
	for t in all check demo install uninstall lint fmt clean help; do
		[[ $output == *"  $t "* ]]
	done
}
