#!/usr/bin/env bash
# The documents as a site, output/site/index.html, which can be read from the disk; a link or anchor that leads nowhere is an error. Usage: docs.sh
[ -n "${BASH_VERSION:-}" ] || { echo "error: run it with bash: bash $0" >&2; exit 2; }
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib/env.sh"
unset PYTHON # that of the project, which has no mkdocs
CILMP_VENV=${CILMP_DOCS_VENV:-$ROOT/.venv-docs} use_python requirements-docs.txt
rm -rf output/docs && mkdir -p output/docs
cp -R docs/. CITATION.cff output/docs/
links='s#\]\(docs/#](#g; s#\]\(LICENSE\)#](licences.md)#g' # README and its like become pages beside the others
for page in readme contributing changelog; do
    links="$links; s#\]\((\.\./)?$(tr '[:lower:]' '[:upper:]' <<<$page)\.md#](${page}.md#g"
done
for file in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
    page=$(basename "$file")
    [[ $file == docs/* ]] || page=$(tr '[:upper:]' '[:lower:]' <<<"$page")
    sed -E "$links" "$file" >"output/docs/$page"
done
NO_MKDOCS_2_WARNING=1 "$PYTHON" -m mkdocs build 2>&1 | { grep -v "^INFO" || true; }
if grep -rE --include='*.html' '<(script|link|img|iframe)[^>]* (src|href)="?(https?:)?//' output/site; then
    echo "error: these parts of pages would be fetched from elsewhere" >&2
    exit 1
fi
echo "output/site/index.html"
