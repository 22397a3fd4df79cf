# shellcheck shell=bash
# Sourced by what fetches Debian packages into the cache: an apt of our own, so that the
# machine's is left alone. The user of this file has die(), which says one line and exits.

private_apt_root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# $EXITSTAT_CACHE, else $XDG_CACHE_HOME/exitstat, else ~/.cache/exitstat, else build/cache.
cache_dir()
{
	if [ -n "${EXITSTAT_CACHE:-}" ]; then
		realpath -m -s "$EXITSTAT_CACHE"
	elif [ -n "${XDG_CACHE_HOME:-}" ]; then
		echo "$XDG_CACHE_HOME/exitstat"
	elif [ -n "${HOME:-}" ] && [ -w "$HOME" ]; then
		echo "$HOME/.cache/exitstat"
	else
		echo "$private_apt_root/build/cache"
	fi
}

# The machine's own mirror with another suite: no host name is written here.
# Prints "REPO-URI RELEASE COMPONENT" of each source the machine has.
machine_sources()
{
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --no-release-info \
		--format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null | sort -u
}

# write_sources SUITE FILE: SUITE may end in +security.
write_sources()
{
	local suite=${1%+security} file=$2 code uri sec opts=
	local ring=/usr/share/keyrings/debian-archive-keyring.gpg

	# shellcheck disable=SC1091
	code=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
	uri=$(machine_sources | awk -v c="$code" '$2 == c && $3 == "main" { print $1; exit }')
	sec=$(machine_sources | awk -v c="$code-security" '$2 == c && $3 == "main" { print $1; exit }')
	[ -n "$uri" ] ||
		die "no apt source of suite '$code' on this machine; add Debian's mirror to /etc/apt"
	[ ! -r $ring ] || opts="[signed-by=$ring] "
	echo "deb $opts$uri $suite main" >"$file"
	if [ "$suite" != "$1" ] && [ -n "$sec" ]; then
		echo "deb $opts$sec $suite-security main" >>"$file"
	fi
}

# private_apt_setup DIR SUITE: the machine's proxies and options, none of its sources,
# hooks, locks or lists; the machine's configuration is never touched.
private_apt_setup()
{
	local dir=$1 suite=$2

	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/none"
	: >"$dir/status"
	write_sources "$suite" "$dir/sources.list"
	{
		apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets'
		cat <<CONF
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$dir/none";
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "$dir/none";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$dir/none";
Dir::State::Lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
	} >"$dir/apt.conf"
	export APT_CONFIG=$dir/apt.conf
}
