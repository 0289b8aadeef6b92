#!/usr/bin/env bash
# install.sh BIN PYTHON ARGUMENTS: does for PYTHON what `pip install ARGUMENTS` does, by the uv in BIN, which takes a tenth
# of the time. uv looks for packages where pip's settings say. Where it fails all the same, the pip in BIN does it.
set -euo pipefail
bin=$1 python=$2
shift 2
pip=("$bin/python" -m pip --disable-pip-version-check)
[ -x "$bin/uv" ] || "${pip[@]}" install --quiet --quiet --no-compile uv==0.13.9 || true
settings=$("${pip[@]}" config list)
take() {
  local value
  value=$(sed -n "s/^[^=]*\.$1='\(.*\)'\$/\1/p" <<<"$settings" | head -n 1)
  value=$(tr -s ' ' "${3:- }" <<<"${value//\\n/ }")  # pip's lists are separated by spaces or lines
  [ -z "$value" ] || export "$2=$value"
}
take index-url UV_DEFAULT_INDEX
take extra-index-url UV_INDEX
take find-links UV_FIND_LINKS ,
take no-index UV_NO_INDEX
take cert SSL_CERT_FILE
export UV_INDEX_STRATEGY=unsafe-best-match UV_HTTP_TIMEOUT=180  # as pip
"$bin/uv" pip install --quiet --python "$python" "$@" && exit
exec "${pip[@]}" --python "$python" install --quiet --no-compile "$@"
