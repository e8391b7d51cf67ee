#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The controller's side of the network, and the key it comes with: controller_up.sh ADDRESS/LENGTH
# Says that it made them, and nothing where they are there.
set -euo pipefail

[ ! -e /run/hosts/user_key ] || exit 0
ip link add hosts type bridge
ip address add "$1" dev hosts
ip link set hosts up
ssh-keygen -q -t ed25519 -N "" -C controller -f /run/hosts/user_key
echo "made"
