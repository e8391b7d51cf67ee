#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Take a host down, with everything that runs on it: host_down.sh NAME
# Says that it did, and nothing where there is none.
set -euo pipefail

name=$1

# first: it stays for a while, and with it its name, where only the namespace is deleted
! ip link show "v-$name" >/dev/null 2>&1 || ip link delete "v-$name"
[ -e "/run/netns/$name" ] || { rm -rf "/run/hosts/$name"; exit 0; }
for _ in $(seq 100); do
  # all of them were started on this host, and by nobody else. unshare --fork ignores SIGTERM
  mapfile -t pids < <(ip netns pids "$name")
  [ ${#pids[@]} -gt 0 ] || break
  kill -KILL "${pids[@]}" 2>/dev/null || true
  sleep 0.05
done
[ ${#pids[@]} -eq 0 ] || { echo "these processes of $name don't die: ${pids[*]}" >&2; exit 1; }
ip netns delete "$name"
rm -rf "/run/hosts/$name"
echo "removed $name"
