#!/bin/sh
# The main job on the sandbox: what exists, the plan, the rollback, and back again. `rollback` has to be on PATH.
set -eu

folder=$(mktemp -d)
log=$folder/sandbox.log
rollback sandbox --dump="$folder" 2>"$log" &
sandbox=$!
trap 'kill $sandbox 2>/dev/null || true; wait $sandbox 2>/dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

waited=0
until grep -q 'Ctrl-C ends it' "$log"; do
  waited=$((waited + 1))
  if [ "$waited" -gt 100 ] || ! kill -0 $sandbox 2>/dev/null; then
    echo "demo: the sandbox did not start:" >&2
    cat "$log" >&2
    exit 1
  fi
  sleep 0.1
done
day=$(sed -n 's/.*everything was healthy on \([0-9-]*\).*/\1/p' "$log")
cd "$folder"

tell() { printf '\n# %s\n' "$1"; }
show() {
  printf '$'
  for word in "$@"; do
    case $word in *' '*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
  done
  printf '\n\n'
  "$@"
}

tell "A release of yesterday broke prod. Which images existed when?"
show rollback get --repo=shop/billing,shop/cart,shop/catalog,shop/web --env=prod
tell "On $day everything was healthy. What would go back? (This changes nothing.)"
show rollback plan --date="$day" --env=prod
tell "Put the fleet back to that day, and wait until every service is healthy."
show rollback run --date="$day" --env=prod --yes --reason="checkout is down"
tell "Once more: there is nothing left to do."
show rollback run --date="$day" --env=prod --yes
tell "It turns out that it was the network. Undo it."
show rollback undo --yes --reason="it was the network"
tell "What happened tonight?"
show rollback history
