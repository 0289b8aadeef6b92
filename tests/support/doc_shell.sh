# What stands before each shell block of the docs. Programs that run until they are stopped are started, until they say
# what a reader waits for, and stopped. Those that cannot run here say with which words they were called.

stopped() {
  local sign=$1 said
  said=$(mktemp)
  env "${@:2}" >"$said" 2>&1 </dev/null &
  until grep -q "$sign" "$said"; do
    kill -0 $! 2>/dev/null || { cat "$said"; return 1; }
    sleep 0.05
  done
  kill $!
  wait $! || [ $? = 143 ] # one that has nothing to tidy up
}

askonce() {
  case "$1 ${2-}" in
  "serve "*) stopped "^ready:" askonce "$@" ;;
  "stats --watch") stopped "calls" askonce "$@" ;;
  *) command askonce "$@" ;;
  esac
}

askonce-worker() {
  case "$1" in
  run) stopped "worker.started" askonce-worker "$@" ;;
  local) called askonce-worker "$@" ;;
  *) command askonce-worker "$@" ;;
  esac
}

called() {
  printf '%s\037' "$@" >>"$DOC_CALLS"
  echo >>"$DOC_CALLS"
}

docker() { called docker "$@"; }
kubectl() { called kubectl "$@"; }
make() { called make "$@"; }
pip() { called pip "$@"; }
