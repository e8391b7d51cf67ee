#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a command, or a shell, in a network and with a /run of its own: network.sh [COMMAND [ARGUMENT]...]
#
# The command is the controller of the hosts that the scenario `default` makes. No interface, address, name or file of them is on the
# machine itself, so several of these can run at one time, and nothing is left of one that was killed but processes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" -eq 0 ] || { echo "network namespaces need root" >&2; exit 1; }
  exec unshare --net --mount --propagation private -- "$here/network.sh" --inside "$@"
fi
shift
[ $# -gt 0 ] || set -- "${SHELL:-/bin/bash}"

mount -t tmpfs -o mode=0755 none /run
mkdir /run/hosts /run/netns /run/results /run/sshd
ip link set lo up
cd "$here/../.."
export ANSIBLE_COLLECTIONS_PATH=$PWD/.ansible/collections
# Ansible wants UTF-8, whatever the machine's own locale is; colours are not for a log
export LC_ALL=C.UTF-8
[ -t 1 ] || export NO_COLOR=1 ANSIBLE_NOCOLOR=1
# also the sockets of ssh connections: the same addresses are other hosts in another network
export ANSIBLE_HOME=/run/ansible MOLECULE_EPHEMERAL_DIRECTORY=/run/molecule

# shellcheck disable=SC2317  # called at the exit
down() {
  local folder
  for folder in /run/netns/*; do
    [ ! -e "$folder" ] || "$here/default/host_down.sh" "${folder##*/}" >/dev/null
  done
}
trap down EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
# whoever reads what it says may have been killed before it
trap : PIPE

status=0
"$@" || status=$?
if [ "$status" -ne 0 ] && [ -n "$(ls /run/results)" ]; then
  mkdir -p tests/output
  rm -rf tests/output/molecule
  cp -r /run/results tests/output/molecule
  echo "what the hosts gave is in tests/output/molecule" >&2
fi
exit "$status"
