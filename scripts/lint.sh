#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Every check that reads the sources and runs nothing of them.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf -- '--- %s\n' "$*"; }

step ruff
ruff check --no-cache .

step "module code is Python 3.8"
python scripts/check_syntax.py 3.8 plugins/modules plugins/module_utils

step yamllint
yamllint --strict .

step "changelog"
antsibull-changelog lint

step ansible-lint
ANSIBLE_COLLECTIONS_PATH=$PWD/.ansible/collections ansible-lint --offline --profile production --strict -q roles playbooks meta galaxy.yml

# ansible-test works only from a real path .../ansible_collections/NAMESPACE/NAME, and only on files git knows
step "ansible-test sanity"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
copy=$folder/ansible_collections/cryptofleet/audit
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --no-dereference --target-directory "$copy" --
git -C "$copy" init --quiet
git -C "$copy" add --all
# ansible-test would download pip's bootstrap script; ensurepip does without
mkdir -p ~/.ansible/test/cache
for name in get_pip_24_2.py get_pip_25_2.py; do
  [ -e ~/.ansible/test/cache/"$name" ] || cp scripts/get_pip.py ~/.ansible/test/cache/"$name"
done
(cd "$copy" && ansible-test sanity --venv --python 3.11 --color no)
