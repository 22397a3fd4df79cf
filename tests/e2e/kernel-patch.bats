# SPDX-License-Identifier: GPL-2.0-only
# kernel-patch/build on the day when the archive moves: nothing is fetched here, apt fails.

bats_require_minimum_version 1.5.0

setup() {
	tree="$BATS_TEST_TMPDIR/a tree"
	mkdir -p "$tree"/{bin,lab,scripts,kernel-patch/v6.1}
	cp kernel-patch/{build,lib.sh} "$tree/kernel-patch/"
	cp scripts/private-apt.sh "$tree/scripts/"
	printf 'v6.1\tbookworm\t6.1\t6.1.1-1\n' >"$tree/kernel-patch/versions.list"
	: >"$tree/kernel-patch/v6.1/0001-x.patch"
	# Only looked for: none of them is reached.
	for tool in gcc make flex bison bc patch pahole python3; do
		stub "bin/$tool" <<<'exit 99'
	done
	stub bin/apt-get <<-'END'
		case $* in
		indextargets*) . /etc/os-release; echo "http://127.0.0.1:9/debian $VERSION_CODENAME main" ;;
		*) echo "E: $1 fails" >&2; exit 100 ;;
		esac
	END
	export EXITSTAT_CACHE=$tree/cache PATH=$tree/bin:$PATH
}

stub() {
	{ echo '#!/bin/sh'; cat; } >"$tree/$1"
	chmod +x "$tree/$1"
}

# kernels CACHED NEWEST: the Debian versions that lab/kernel has, and has after --refresh.
kernels() {
	local version
	for version; do
		mkdir -p "$tree/$version"
		echo "$version-amd64" >"$tree/$version/version"
		echo "Linux #1 SMP PREEMPT_DYNAMIC Debian $version (2026-11-22)" >"$tree/$version/vmlinux"
	done
	stub lab/kernel <<-END
		case \$1 in --refresh) echo "$tree/$2" ;; *) echo "$tree/$1" ;; esac
	END
}

@test "the archive has no source of the kernel, and no newer one: one line, and it ends" {
	kernels 6.1.1-1 6.1.1-1
	run -1 timeout 60 "$tree/kernel-patch/build" v6.1
	[[ ${lines[-1]} == "kernel-patch/build: cannot fetch linux-source-6.1 6.1.1-1 of bookworm: E: "* ]]
	[ "$(grep -c ': fetching ' <<<"$output")" -eq 2 ]
}

@test "the archive has no source of the cached kernel, but a newer kernel: that one's is fetched" {
	kernels 6.1.1-1 6.1.2-1
	run -1 timeout 60 "$tree/kernel-patch/build" v6.1
	grep -q ': fetching linux-source-6.1 6.1.1-1$' <<<"$output"
	[[ ${lines[-1]} == *"cannot fetch linux-source-6.1 6.1.2-1 of bookworm: "* ]]
}

@test "the archive has the source of another version than the kernel's: told as such" {
	kernels 6.1.1-1 6.1.1-1
	sed -i "s/E: \$1 fails/E: Version '6.1.1-1' for 'linux-source-6.1' was not found/" "$tree/bin/apt-get"
	run -77 timeout 60 "$tree/kernel-patch/build" v6.1
	[[ ${lines[-1]} == "kernel-patch/build: rebase needed: bookworm has the kernel 6.1.1-1, and its source in another version only" ]]
}

@test "the archive has moved to the next version: rebase needed, and nothing is left to be loaded" {
	kernels 6.1.1-1 7.4.1-1
	mkdir -p "$tree/build/kvm/v6.1"
	touch "$tree"/build/kvm/v6.1/{kvm.ko,release}
	run -77 timeout 60 "$tree/kernel-patch/build" v6.1
	[[ ${lines[-1]} == "kernel-patch/build: rebase needed: kernel-patch/v6.1 is for Linux 6.1, bookworm has 7.4.1-1 now" ]]
	[ "$(<"$tree/build/kvm/v6.1/rebase")" = "kernel-patch/v6.1 is for Linux 6.1, bookworm has 7.4.1-1 now" ]
	[ ! -e "$tree/build/kvm/v6.1/kvm.ko" ]
	[ ! -e "$tree/build/kvm/v6.1/release" ]
}
