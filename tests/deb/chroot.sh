# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# For the tests in this folder: a minimal Debian in a folder, with mounts that nobody else sees and that end with the test.

# A namespace for mounts and one for processes: whatever way the test ends, what it mounted and started is gone.
# "$@" is the test itself, which is run again in them. The folder $WORK is taken away when it ends.
in_own_namespace()
{
	local child

	[ -z "${EXITSTAT_DEB_TEST:-}" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "1..0 # SKIP only root can make a chroot"
		exit 0
	fi
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/exitstat-deb.XXXXXX") || exit 1
	export WORK EXITSTAT_DEB_TEST=1
	trap 'leave_cgroup; rm -rf --one-file-system "$WORK"' EXIT
	# unshare takes no other signal while it waits.
	trap 'kill -KILL "$child" 2>/dev/null; wait "$child"; exit 143' TERM INT
	unshare --mount --pid --fork --kill-child=KILL --mount-proc "$@" &
	child=$!
	wait "$child"
	exit
}

# What a test started in a control group of its own (its path is in $WORK/cgroup) takes a moment to be gone.
leave_cgroup()
{
	local i group
	group=$(cat "$WORK/cgroup" 2>/dev/null) || return
	for ((i = 0; i < 50; i++)); do
		find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$group" ] || return
		sleep 0.1
	done
	echo "# $group is still there" >&2
}

die()
{
	printf '1..1\nnot ok 1 - a Debian 12 to install in: %s\n' "$*"
	exit 1
}

# build_package DIR: sets deb
build_package()
{
	BUILD_DEB=$1 scripts/build-deb >"$WORK/build.log" 2>&1 || { tail -n 30 "$WORK/build.log" && return 1; }
	deb=$(tail -n 1 "$WORK/build.log")
	[ -f "$deb" ]
}

# repack FIELD VALUE COMMAND OUT: the package with another field, after COMMAND was run in it.
repack()
{
	rm -rf "$WORK/repack"
	dpkg-deb -R "$deb" "$WORK/repack"
	sed -i "s/^$1: .*/$1: $2/" "$WORK/repack/DEBIAN/control"
	(cd "$WORK/repack" && eval "$3") && dpkg-deb --root-owner-group -b "$WORK/repack" "$4" >/dev/null
}

# system DIR PACKAGE...: a minimal Debian 12 in DIR, whose apt has in its cache what these packages (files, too) need. It comes
# from the cache, if it was made there for packages that need the same, no longer than a month ago.
system()
{
	local dir=$1 cache key tar
	shift

	cache=$(cache_dir)/debootstrap
	key=$(for p in "$@"; do dpkg-deb -f "$p" Depends 2>/dev/null || echo "$p"; done | sha256sum | cut -c 1-12)
	tar=$cache/bookworm-$key.tar
	mkdir -p "$cache" "$dir"
	find "$cache" -name 'bookworm-*.tar' -mtime +30 -delete
	# Two tests at a time make it once.
	exec 9>"$cache/lock"
	flock 9
	if [ ! -e "$tar" ]; then
		make_system "$WORK/new" "$@" >"$WORK/debootstrap.log" 2>&1 || {
			tail -n 20 "$WORK/debootstrap.log" | sed 's/^/# /'
			die "debootstrap or apt-get failed, see above"
		}
		tar -c --one-file-system -C "$WORK/new" -f "$tar.tmp" . && mv "$tar.tmp" "$tar"
		rm -rf --one-file-system "$WORK/new"
	fi
	exec 9>&-
	tar -x -C "$dir" -f "$tar"
	mount -t proc proc "$dir/proc"
	mount -t devpts -o newinstance,ptmxmode=666 devpts "$dir/dev/pts"
}

make_system()
{
	local dir=$1 uri
	shift

	# The machine's own mirror and proxies.
	write_sources bookworm+security "$WORK/sources.list"
	uri=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) bookworm main$/\2/p' "$WORK/sources.list" | head -n 1)
	http_proxy=$(apt-config shell p Acquire::http::Proxy | sed -n "s/^p='\(.*\)'$/\1/p")
	[ -z "$http_proxy" ] || [ "$http_proxy" = DIRECT ] || export http_proxy
	debootstrap --variant=minbase \
		--include="$(case $uri in https:*) echo ca-certificates ;; *) echo debian-archive-keyring ;; esac)" \
		bookworm "$dir" "$uri" || return 1
	cp "$WORK/sources.list" "$dir/etc/apt/sources.list"
	apt-config dump | grep -E '^Acquire::(http|https|Retries|Check-Valid-Until)\b' >"$dir/etc/apt/apt.conf.d/90machine"
	echo 'APT::Install-Recommends "no"; Acquire::Languages "none"; APT::Sandbox::User "root";' \
		>"$dir/etc/apt/apt.conf.d/91test"
	# Services are not started in a chroot.
	printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	# The machine's names are needed to reach the mirror.
	cp -L /etc/resolv.conf /etc/hosts "$dir/etc/" 2>/dev/null
	in_system "$dir" apt-get -q update || return 1
	for p; do
		case $p in
		*.deb)
			cp "$p" "$dir/tmp/" && p=/tmp/${p##*/}
			in_system "$dir" apt-get -qy --download-only install "$p" || return 1
			rm "$dir$p"
			;;
		*) in_system "$dir" apt-get -qy install "$p" || return 1 ;;
		esac
	done
}

# in_system DIR COMMAND...
in_system()
{
	local dir=$1
	shift
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		chroot "$dir" "$@"
}

# check NAME COMMAND...: one test; what the command said is shown if it fails.
tests=0
check()
{
	local name=$1
	shift

	tests=$((tests + 1))
	if "$@" >"$WORK/said" 2>&1; then
		echo "ok $tests - $name"
	else
		echo "not ok $tests - $name"
		tail -n 40 "$WORK/said" | sed 's/^/# /'
	fi
}
