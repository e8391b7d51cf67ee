#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Install the Debian packages of requirements-debian.txt that are missing: packages.sh audit|test
set -euo pipefail

purpose=$1
list=$(dirname "$0")/../requirements-debian.txt
mapfile -t wanted < <(awk -v purpose="$purpose" '$1 == purpose {print $2}' "$list")

command -v dpkg-query >/dev/null || {
  echo "not a Debian system: see to it that these are there: ${wanted[*]}" >&2
  exit 0
}
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "these Debian packages are missing and only root can install them: ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# services that come with a package are not wanted: the tests start their own
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$log" "$policy"' EXIT
fi
{ apt-get -qq update && apt-get -qq -y --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
