#!/bin/sh
# Installs, upgrades and removes crmscope-agent, or crmscope-collector, out of a release.
#
# For hosts without the .deb or .rpm. Promises that nothing is touched before the download is whole, has the
# checksum of SHA256SUMS and runs here; that a configuration is never overwritten; that a second run changes
# nothing more. What SHA256SUMS says is believed because of where it comes from: HTTPS, or loopback.
set -eu

official_url='https://releases.crmscope.example'

usage() {
  cat <<'USAGE'
usage: install.sh [agent|collector] [options]

  --version V      version to install, instead of the newest
  --base-url URL   where releases are: URL/latest, URL/vV/SHA256SUMS, URL/vV/crmscope-….tar.gz
                   (or variable CRMSCOPE_BASE_URL)
  --prefix DIR     where programs go: DIR/bin, DIR/share (/usr/local)
  --root DIR       install below DIR, and leave services and users of this host alone
  --no-start       start and restart nothing
  --uninstall      remove what was installed; configuration and data stay
  --purge          with --uninstall, or alone: remove them as well
  --help           this text
USAGE
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

say() {
  printf '%s\n' "$1"
}

name=agent
version=''
base_url=${CRMSCOPE_BASE_URL:-$official_url}
prefix=/usr/local
root=''
start=yes
action=install
purge=no
while [ $# -gt 0 ]; do
  case $1 in
  agent | collector) name=$1 ;;
  --version | --base-url | --prefix | --root)
    [ $# -ge 2 ] || fail "$1 needs a value; --help lists the options"
    case $1 in
    --version) version=${2#v} ;;
    --base-url) base_url=$2 ;;
    --prefix) prefix=$2 ;;
    --root) root=${2%/} ;;
    esac
    shift
    ;;
  --no-start) start=no ;;
  --uninstall) action=uninstall ;;
  --purge) action=uninstall purge=yes ;;
  --help)
    usage
    exit 0
    ;;
  *) fail "unknown option $1; --help lists the options" ;;
  esac
  shift
done
package=crmscope-$name
unit=$package.service
base_url=${base_url%/}
case $prefix in
/*) ;;
*) fail "--prefix $prefix: give a path that begins with /" ;;
esac
# These go into a script of sed below.
case $prefix$root in
*[!A-Za-z0-9/._-]*) fail "--prefix and --root: only letters, digits and / . _ - can be in them" ;;
esac

binary=$root$prefix/bin/$package
share=$root$prefix/share
configuration=$root/etc/crmscope
unit_file=$root/etc/systemd/system/$unit
manual=$share/man/man8/$package.8
case $name in
agent) rules=$share/crmscope/rules state=$root/var/lib/crmscope-agent ;;
collector) rules=$share/crmscope/collector-rules state='' ;;
esac

has() {
  command -v "$1" >/dev/null 2>&1
}

# Whether services and users of this host are ours to change.
is_here() {
  [ -z "$root" ]
}

has_systemd() {
  is_here && [ -d /run/systemd/system ]
}

check_host() {
  [ "$(uname -s)" = Linux ] || fail "this is $(uname -s); crmscope runs on Linux"
  if is_here && [ "$(id -u)" != 0 ]; then
    fail 'run it as root, or with --root to install below a directory'
  fi
  if is_here; then
    if has dpkg-query && dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$'; then
      fail "$package is installed as a .deb; use apt to upgrade or remove it"
    fi
    if has rpm && rpm -q "$package" >/dev/null 2>&1; then
      fail "$package is installed as an .rpm; use dnf or zypper to upgrade or remove it"
    fi
  fi
}

uninstall() {
  if has_systemd && [ -e "$unit_file" ]; then
    systemctl disable --now "$unit" || fail "$unit cannot be stopped; systemctl status $unit says why"
  fi
  rm -f "$binary" "$unit_file" "$manual" || fail "$binary and its files cannot be removed"
  rm -rf "$rules"
  for directory in "$share/crmscope" "$share/man/man8" "$share/man"; do
    rmdir "$directory" 2>/dev/null || true
  done
  has_systemd && systemctl daemon-reload
  if [ "$purge" = yes ]; then
    rm -f "$configuration/$name.toml" "$configuration/$name.token"
    if [ "$name" = agent ]; then
      rm -f "$configuration/enrolment.token"
      rm -rf "$configuration/rules.d" "$state"
    fi
    rmdir "$configuration" 2>/dev/null || true
    say "$package is removed, with its configuration and data; its user stays"
  elif [ "$name" = agent ]; then
    say "$package is removed; $configuration and $state stay: --purge removes them"
  else
    say "$package is removed; $configuration stays: --purge removes it"
  fi
}

check_url() {
  case $base_url in
  https://*) ;;
  http://127.0.0.1 | http://127.0.0.1[:/]* | http://localhost | http://localhost[:/]*) ;;
  *) fail "$base_url: only https:// is taken, or http:// on loopback, as the checksums come from there too" ;;
  esac
}

# URL, file. A download that breaks off is an error.
download() {
  if has curl; then
    curl --fail --silent --show-error --location --retry 2 --connect-timeout 20 --output "$2" "$1" || return 1
  elif has wget; then
    wget --quiet --tries 3 --timeout 20 --output-document "$2" "$1" || return 1
  else
    fail 'neither curl nor wget is installed; install one of them'
  fi
}

checksum() {
  if has sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif has openssl; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail 'neither sha256sum nor openssl is installed; install one of them'
  fi
}

choose_version() {
  if [ -z "$version" ]; then
    download "$base_url/latest" "$scratch/latest" ||
      fail "$base_url/latest cannot be read; check the address, or name a version with --version"
    version=$(head -n 1 "$scratch/latest")
  fi
  case $version in
  '' | *[!A-Za-z0-9.+~-]*) fail "\`$version\` is no version" ;;
  esac
}

choose_machine() {
  machine=${CRMSCOPE_MACHINE:-$(uname -m)}
  case $machine in
  x86_64 | amd64) machine=x86_64 ;;
  aarch64 | arm64) machine=aarch64 ;;
  *) fail "there is no release for $machine; there are those for x86_64 and aarch64" ;;
  esac
}

# Leaves the files in $unpacked, or ends with nothing touched.
fetch() {
  folder=$package-$version-linux-$machine
  archive=$folder.tar.gz
  download "$base_url/v$version/SHA256SUMS" "$scratch/SHA256SUMS" ||
    fail "$base_url/v$version/SHA256SUMS cannot be read; is there a version $version?"
  # The name has no character that grep takes for more than itself, but for the dots.
  wanted=$(grep "^[0-9a-f]\{64\}  $archive\$" "$scratch/SHA256SUMS" | head -n 1 | cut -d ' ' -f 1)
  [ -n "$wanted" ] || fail "version $version has no $archive: SHA256SUMS does not name it"
  download "$base_url/v$version/$archive" "$scratch/$archive" ||
    fail "$base_url/v$version/$archive cannot be downloaded whole; try again"
  found=$(checksum "$scratch/$archive")
  [ "$found" = "$wanted" ] ||
    fail "$archive has the checksum $found, not $wanted: it is damaged or not the release; nothing was changed"
  tar -xzf "$scratch/$archive" -C "$scratch" || fail "$archive cannot be unpacked; nothing was changed"
  unpacked=$scratch/$folder
  [ -x "$unpacked/bin/$package" ] || fail "$archive holds no bin/$package; nothing was changed"
  told=$("$unpacked/bin/$package" --version 2>&1) ||
    fail "$package $version does not run here: $told; nothing was changed"
  [ "$told" = "$package $version" ] ||
    say "note: the program calls itself \`$told\`"
}

make_user() {
  is_here || return 0
  getent passwd "$package" >/dev/null && return 0
  if has systemd-sysusers; then
    systemd-sysusers "$unpacked/$package.sysusers"
  else
    useradd --system --user-group --home-dir "${state:-/}" --no-create-home --shell /usr/sbin/nologin "$package"
  fi || fail "the user $package cannot be made"
}

# Source, destination, mode: there at once or not at all.
put() {
  if ! { mkdir -p "${2%/*}" && cp "$1" "$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2"; }; then
    fail "$2 cannot be written"
  fi
}

place() {
  make_user
  put "$unpacked/bin/$package" "$binary" 755
  sed "s|/usr/bin/$package|$prefix/bin/$package|" "$unpacked/$unit" >"$scratch/$unit"
  put "$scratch/$unit" "$unit_file" 644
  put "$unpacked/$package.8" "$manual" 644
  rm -rf "$rules.new"
  mkdir -p "${rules%/*}"
  cp -R "$unpacked/rules" "$rules.new"
  rm -rf "$rules"
  mv "$rules.new" "$rules"
  if [ -e "$configuration/$name.toml" ]; then
    say "$configuration/$name.toml stays as it is"
  else
    sed "s|/usr/share/crmscope|$prefix/share/crmscope|" "$unpacked/$name.toml" >"$scratch/$name.toml"
    put "$scratch/$name.toml" "$configuration/$name.toml" 644
  fi
  [ "$name" = collector ] || mkdir -p "$configuration/rules.d"
}

begin() {
  if has_systemd; then
    systemctl daemon-reload
    [ "$start" = yes ] || return 0
    systemctl enable "$unit"
    systemctl restart "$unit" || fail "$package is installed and does not start; journalctl -u $unit says why"
  fi
}

install() {
  check_url
  choose_machine
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 130' INT TERM
  choose_version
  fetch
  place
  begin
  say "$package $version is installed: $binary, $configuration/$name.toml"
  if [ "$name" = agent ] && [ ! -e "$configuration/enrolment.token" ] && [ ! -e "$configuration/agent.token" ]; then
    say "next: set collector.endpoint in $configuration/agent.toml, and put the token of \`crmscope-collector token create\` into $configuration/enrolment.token, readable by the group $package alone"
  elif [ "$name" = collector ] && [ ! -e "$configuration/tls/collector.pem" ] && [ ! -e "$configuration/collector.token" ]; then
    say "next: crmscope-collector authority create --directory $configuration/tls --name NAME, readable by the group $package alone; then name the files in $configuration/collector.toml"
  fi
}

check_host
"$action"
