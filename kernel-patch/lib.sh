# shellcheck shell=bash
# What build, check and install share: find a series, fetch its kernel's source, put the
# series on it, build the modules. Sourced; sets -e is taken for granted.

kp_project=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
kp=$kp_project/kernel-patch
kp_modules=(kvm kvm-intel kvm-amd)
kp_rebase=77
tag=${0##*/}
log=/dev/null
out=
job=
# shellcheck source=scripts/private-apt.sh
. "$kp_project/scripts/private-apt.sh"

say()
{
	echo "kernel-patch/$tag: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

# Tests find the reason in the file rebase, in the modules' place.
rebase_needed()
{
	[ -z "$out" ] || echo "$*" >"$out/rebase"
	say "rebase needed: $*"
	exit $kp_rebase
}

# TOOL:PACKAGE of all that a build runs; the headers it needs the kernel's make names.
kp_need_tools()
{
	local pair missing=

	for pair in gcc:gcc make:make flex:flex bison:bison bc:bc patch:patch perl:perl python3:python3 \
		pahole:dwarves xz:xz-utils modinfo:kmod flock:util-linux strip:binutils; do
		command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
	done
	[ -z "$missing" ] || die "packages are missing:$missing; run scripts/deps build kernel lab"
}

# --- series -----------------------------------------------------------

kp_versions()
{
	awk '!/^#/ && NF { print $1 }' "$kp/versions.list"
}

# kp_select VERSION: sets version suite lab_kernel made_for number.
kp_select()
{
	local line

	line=$(awk -v v="$1" '$1 == v' "$kp/versions.list")
	[ -n "$line" ] || die "no version '$1'; there are: $(kp_versions | tr '\n' ' ')"
	read -r version suite lab_kernel made_for <<<"$line"
	number=${version#v}
}

# The patches of the series, in order, without the cover letter. Sets patches.
kp_series()
{
	shopt -s nullglob
	patches=("$kp/$version"/[0-9][0-9][0-9][0-9]-*.patch)
	shopt -u nullglob
	case ${patches[0]:-} in */0000-*) patches=("${patches[@]:1}") ;; esac
	[ ${#patches[@]} -gt 0 ] || die "no series: kernel-patch/$version holds no patch"
}

# --- long commands ----------------------------------------------------

# Run "$@" with its output in $log, in the background, so that a signal reaches us at
# once and we can end it.
logged()
{
	local rc=0

	echo "+ $*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null &
	job=$!
	wait "$job" || rc=$?
	job=
	return $rc
}

stop_job()
{
	[ -z "$job" ] || kill "$job" 2>/dev/null || :
	[ -z "$job" ] || wait "$job" 2>/dev/null || :
	job=
}

# For logged(): make takes the place of its process, so that the signal is make's. The
# kernel's make must not see what ours (or a person's shell) has set. RESOLVE_BTFIDS_FLAGS:
# Linux 7 gives M= modules a BTF base of their own; ours refer to the kernel's, as stock ones do.
kernel_make()
{
	exec env -i PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" LC_ALL=C \
		make --no-print-directory -C "$1" -j"${KP_JOBS:-$(nproc)}" \
		"KERNELRELEASE=$release" RESOLVE_BTFIDS_FLAGS= "${@:2}"
}

first_error()
{
	grep -m1 -E '(^|[: ])(error|ERROR|\*\*\*)[: ]' "$log" || tail -n 1 "$log"
}

# --- kernel and source ------------------------------------------------

# The Debian version that a kernel was built as stands in its banner.
kp_banner_version()
{
	grep -aom1 'SMP.* Debian [0-9][^ ]* (' "$1" | sed -E 's/.* Debian ([^ ]*) \($/\1/'
}

# Sets kernel_dir release deb_version of the stock kernel. Its minor must be the series'.
kp_lab_kernel()
{
	kernel_dir=$("$kp_project/lab/kernel" "$@" "$lab_kernel") || exit 1
	release=$(<"$kernel_dir/version")
	deb_version=$(kp_banner_version "$kernel_dir/vmlinux") || :
	[ -n "$deb_version" ] || die "no Debian version in the kernel $kernel_dir"
	kp_check_minor
}

kp_check_minor()
{
	[[ $deb_version =~ ^${number//./\\.}[.~-] ]] ||
		rebase_needed "kernel-patch/$version is for Linux $number, $suite has $deb_version now"
}

# Fetch source.tar.xz and Module.symvers of $deb_version into the cache; sets source_dir.
# False if the archive does not have them.
kp_fetch()
{
	local base package=linux-source-$number old
	base=$(cache_dir)/sources

	source_dir=$base/${package}_${deb_version}_$release
	mkdir -p "$base" || die "cannot write $base; set EXITSTAT_CACHE to a folder of yours"
	exec {source_lock}>"$base/.lock-$number"
	flock "$source_lock"
	if [ ! -e "$source_dir/Module.symvers" ]; then
		say "$version: fetching $package $deb_version"
		rm -rf "$base/.new-$number"
		mkdir "$base/.new-$number"
		kp_download "$base/.new-$number" "$package=$deb_version" "linux-headers-$release=$deb_version" ||
			return 1
		for old in "$base/${package}_"*; do
			rm -rf "$old"
		done
		mv "$base/.new-$number" "$source_dir"
	fi
}

# kp_download DIR SOURCE HEADERS
kp_download()
{
	local dir=$1 rc=0

	(
		private_apt_setup "$dir/apt" "$suite"
		cd "$dir"
		apt-get -qq update && apt-get -qq download "${@:2}"
	) >>"$log" 2>&1 || return 1
	dpkg-deb --fsys-tarfile "$dir"/linux-source-*.deb |
		tar -xO --wildcards './usr/src/linux-source-*.tar.xz' >"$dir/source.tar.xz" || rc=$?
	dpkg-deb --fsys-tarfile "$dir"/linux-headers-*.deb |
		tar -xO --wildcards '*/Module.symvers' >"$dir/Module.symvers" || rc=$?
	[ $rc = 0 ] && [ -s "$dir/source.tar.xz" ] && [ -s "$dir/Module.symvers" ] ||
		die "cannot unpack the packages of $deb_version"
	rm -rf "$dir"/*.deb "$dir/apt"
}

# What neither KVM's modules are made from nor a series touches. An eighth of the tree is left.
kp_exclude()
{
	cat <<'LIST'
*/Documentation/[!avK]*
*/arch/[!x]*/*.[chS]
*/arch/[!x]*/*.dts*
*/drivers/*.[chS]
*/fs/*.c
*/net/*.c
*/samples/*.c
*/sound/*.[ch]
*/tools/perf/*
*/tools/testing/*
LIST
}

# kp_unpack TREE: the pristine source, unless it is there. TREE.orig starts anew with it.
kp_unpack()
{
	local tree=$1 id
	id="${source_dir##*/} $(kp_exclude | cksum)"

	if [ "$(cat "$tree/.unpacked" 2>/dev/null)" != "$id" ]; then
		say "$version: unpacking"
		rm -rf "$tree" "$tree.orig"
		mkdir -p "$tree"
		kp_exclude >"$tree.exclude"
		# shellcheck disable=SC2016 # sh's own
		logged sh -c 'xz -T0 -dc "$1" | tar -x -C "$2" --strip-components=1 --anchored \
			--wildcards --wildcards-match-slash --exclude-from="$2.exclude"' \
			sh "$source_dir/source.tar.xz" "$tree" || die "cannot unpack $source_dir/source.tar.xz: $(tail -n 1 "$log")"
		rm "$tree.exclude"
		echo "$id" >"$tree/.unpacked"
	fi
	flock -u "$source_lock"
}

# --- patches ----------------------------------------------------------

# Files that the patches "$@" touch.
kp_touched()
{
	[ $# -eq 0 ] || sed -nE 's,^(---|\+\+\+) [ab]/([^[:space:]]+).*,\2,p' "$@" | sort -u
}

# Files that the patches "$@" create.
kp_created()
{
	awk '$1 == "+++" && dev { print substr($2, 3) }
		{ dev = $1 == "---" && $2 == "/dev/null" }' "$@" </dev/null
}

# kp_apply TREE PATCH...: make TREE the pristine source with these patches. TREE.orig holds a
# pristine copy of every file a series ever touched (saved before its first change, so that
# being interrupted does not matter) and TREE.orig/.new names those that are not in it. The
# patches are applied to a copy of it; files that come out different from the tree's are
# copied there, so that make compiles only what changed. 0, or 1 and $failed_patch.
kp_apply()
{
	local tree=$1 want=$1.want file patch
	shift

	kp_keep_pristine "$tree" "$@" || return 1
	rm -rf "$want"
	cp -a "$tree.orig" "$want" || die "cannot write $want"
	for patch; do
		failed_patch=${patch##*/}
		echo "+ patch <$patch" >>"$log"
		patch -d "$want" -p1 -F0 --batch --no-backup-if-mismatch <"$patch" >>"$log" 2>&1 || return 1
	done
	while read -r file; do
		if [ ! -e "$want/$file" ]; then
			rm -f "$tree/$file"
		elif ! cmp -s "$want/$file" "$tree/$file"; then
			mkdir -p "$tree/$(dirname "$file")"
			cp "$want/$file" "$tree/$file" || die "cannot write $tree/$file"
		fi
	done < <(cd "$tree.orig" && find . -type f ! -name .new ! -name .tmp -printf '%P\n' && cat .new)
	rm -rf "$want"
}

kp_keep_pristine()
{
	local tree=$1 orig=$1.orig file
	shift

	mkdir -p "$orig" && touch "$orig/.new" || die "cannot write $orig"
	while read -r file; do
		[ ! -e "$orig/$file" ] && ! grep -qxF -- "$file" "$orig/.new" || continue
		if [ -e "$tree/$file" ]; then
			mkdir -p "$orig/$(dirname "$file")"
			cp -p "$tree/$file" "$orig/.tmp" && mv "$orig/.tmp" "$orig/$file" || die "cannot write $orig/$file"
		elif kp_created "$@" | grep -xF -- "$file" >/dev/null; then
			echo "$file" >>"$orig/.new"
		else
			failed_patch=$(grep -lF -- "+++ b/$file" "$@" | sed -n '1s,.*/,,p')
			echo "$file is not in the source, or left out of it by kp_exclude in kernel-patch/lib.sh" >>"$log"
			return 1
		fi
	done < <(kp_touched "$@")
}

# The series on TREE; where it does not apply: a rebase to do if the source is not the one it
# was made for, else the series is broken.
kp_apply_series()
{
	kp_apply "$1" "${patches[@]}" && return
	[ "$deb_version" = "$made_for" ] ||
		rebase_needed "$failed_patch does not apply to linux-source-$number $deb_version" \
			"(kernel-patch/$version is made for $made_for)"
	die "$version/$failed_patch does not apply to the source it is made for; see $log"
}

# --- building ---------------------------------------------------------

# kp_prepare TREE CONFIG VMLINUX: all that modules need of a built kernel. VMLINUX is only
# looked at for its BTF.
kp_prepare()
{
	local tree=$1 config=$2 vmlinux=$3 key
	key=$({ gcc --version; pahole --version; cat "$config" "$source_dir/Module.symvers"; echo "$release"; } | sha256sum)

	[ "$(cat "$tree/.prepared" 2>/dev/null)" != "$key" ] || return 0
	say "$version: preparing for $release"
	rm -f "$tree/.prepared"
	cp "$config" "$tree/.config"
	cp "$source_dir/Module.symvers" "$tree/Module.symvers"
	cp "$vmlinux" "$tree/vmlinux"
	logged kernel_make "$tree" olddefconfig || die "make olddefconfig failed: $(first_error); see $log"
	# What this compiler makes of the stock kernel's settings.
	diff "$config" "$tree/.config" | grep '^[<>]' >>"$log" || :
	logged kernel_make "$tree" modules_prepare || die "make modules_prepare failed: $(first_error); see $log"
	echo "$key" >"$tree/.prepared"
}

kp_compile()
{
	say "$version: compiling kvm, kvm-intel, kvm-amd"
	logged kernel_make "$1" M=arch/x86/kvm modules || die "the series does not compile: $(first_error); see $log"
}

# kp_publish TREE DIR STOCK: the modules without debug information, but with BTF, into DIR.
# STOCK is the stock kvm.ko: ours must be for that very kernel.
kp_publish()
{
	local tree=$1 dir=$2 stock=$3 m ko magic

	magic=$(modinfo -F vermagic "$stock") && [ -n "$magic" ] || die "cannot read $stock"
	for m in "${kp_modules[@]}"; do
		ko=$tree/arch/x86/kvm/$m.ko
		[ "$(modinfo -F vermagic "$ko")" = "$magic" ] ||
			die "$m.ko is for '$(modinfo -F vermagic "$ko")', the kernel wants '$magic'"
		strip -g -o "$dir/.$m.ko" "$ko"
		readelf -SW "$dir/.$m.ko" | grep ' \.BTF ' >/dev/null || die "$m.ko has no BTF: is pahole too old? see $log"
	done
	for m in "${kp_modules[@]}"; do
		mv "$dir/.$m.ko" "$dir/$m.ko"
	done
	echo "$release" >"$dir/release"
}
