#!/usr/bin/env bash
# SPDX-FileCopyrightText: cryptofleet.audit contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Every check that reads the sources and runs nothing of them.
set -uo pipefail
cd "$(dirname "$0")/.."

failures=()
# one check after the other, all of them, and what failed at the end
check() {
  local name=$1
  shift
  printf -- '--- %s\n' "$name"
  "$@" || failures+=("$name")
}

sanity() {
  # ansible-test works only from a real path .../ansible_collections/NAMESPACE/NAME, and only on files git knows
  local copy=$folder/ansible_collections/cryptofleet/audit
  mkdir -p "$copy" ~/.ansible/test/cache
  # what a user installs; ruff has read the rest
  git ls-files -z --cached --others --exclude-standard -- \
    .gitignore changelogs meta playbooks plugins roles CHANGELOG.rst COPYING LICENSES README.md galaxy.yml |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    xargs -0 cp --parents --no-dereference --target-directory "$copy" --
  git -C "$copy" init --quiet && git -C "$copy" add --all || return 1
  # ansible-test would download the bootstrap script of pip; ensurepip does without
  local bootstrap
  for bootstrap in get_pip_24_2.py get_pip_25_2.py; do
    [ -e ~/.ansible/test/cache/"$bootstrap" ] || cp scripts/get_pip.py ~/.ansible/test/cache/"$bootstrap"
  done
  (cd "$copy" && ansible-test sanity --venv --python 3.11 --color no >"$folder"/sanity.log 2>&1) || { grep -E "^(ERROR|FATAL)" "$folder"/sanity.log | cut -c -300; return 1; }
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export ANSIBLE_COLLECTIONS_PATH=$PWD/.ansible/collections

check ruff ruff check --no-cache --quiet .
check "module code is Python 3.8" python scripts/check_syntax.py 3.8 plugins/modules plugins/module_utils
check yamllint yamllint --strict .
check changelog antsibull-changelog lint
check ansible-lint ansible-lint --offline --profile production --strict -q roles playbooks meta galaxy.yml
check "documentation" antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all .
check "reference pages" python scripts/document_schema.py --check
check "ansible-test sanity" sanity

[ ${#failures[@]} -eq 0 ] || { printf 'failed: %s\n' "${failures[@]}" >&2; exit 1; }
