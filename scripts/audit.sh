#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run the playbook, print the page of its summary and say where the files are: audit.sh FOLDER SECONDS [INVENTORY]
set -uo pipefail

dest=$1 duration=$2 inventory=${3:-}
if [ -n "$inventory" ]; then
  where=(-i "$inventory")
else
  where=(-i localhost, -c local -e ansible_python_interpreter=/usr/bin/python3)
fi
mkdir -p "$dest" || exit 1
log=$dest/ansible.log
echo "auditing ${inventory:-this machine} for $duration s ..."
ansible-playbook "${where[@]}" playbooks/crypto_audit.yml -e "crypto_inventory_dest=$dest" -e "crypto_inventory_duration=$duration" >"$log" 2>&1
status=$?
if [ ! -s "$dest/summary.txt" ]; then
  cat "$log" >&2
  exit "$status"
fi
# the page ends where the details begin, and the blank line before them with it
sed '/^DETAILS$/,$d' "$dest/summary.txt"
echo "Files in $dest:"
echo "  summary.txt (this page and its details), inventory.json (assets), manifest.json (hosts)"
echo "  hosts/HOST.json.gz (one profile a host), ansible.log"
if [ "$status" -ne 0 ]; then
  echo "ansible-playbook ended with status $status: see $log" >&2
fi
exit "$status"
