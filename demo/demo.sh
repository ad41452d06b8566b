#!/bin/sh
# The main job on the sandbox: what exists, the rollback, a second one that helps nobody, and its undo. The fleet ends
# in its good state. `rollback` has to be on PATH.
set -eu

folder=$(mktemp -d)
log=$folder/sandbox.log
echo "demo: starting a sandbox: a registry and a Marathon on this machine, with a small broken fleet"
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
    case $word in
      *=*' '*) printf " %s='%s'" "${word%%=*}" "${word#*=}" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n\n'
  "$@"
}

tell "A release of yesterday broke prod. Which images existed when?"
show rollback get --repo=shop/billing,shop/cart,shop/catalog,shop/web --env=prod
earlier=$(sed -n "s/^  *\"\([0-9-]\{10\}\)\".*/\1/p" rollback.json | sed -n "/^$day\$/{n;p;}")
tell "On $day everything was healthy. Go back to it: first the plan, then one service after the other."
show rollback run --date="$day" --env=prod --yes --reason="checkout is down"
tell "The shop is up. Somebody finds it slow, and wants the release before that one, too."
show rollback run --date="$earlier" --env=prod --yes --reason="checkout is slow"
tell "That did not help: the network was slow. Undo it; the fleet is again as it was on $day."
show rollback undo --yes --reason="it was the network"
tell "What happened tonight?"
show rollback history
