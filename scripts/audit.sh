#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run the playbook and say where its files are: audit.sh FOLDER SECONDS [INVENTORY]
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
echo
cat "$dest/summary.txt"
echo
echo "inventory: $dest/inventory.json"
echo "summary:   $dest/summary.txt"
echo "hosts:     $dest/manifest.json"
for file in "$dest"/hosts/*.json.gz; do
  [ -e "$file" ] && echo "profile:   $file"
done | head -n 20
echo "log:       $log"
exit "$status"
