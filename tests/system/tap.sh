# For the scripts of this folder: `check NAME COMMAND...` is a test that passes if the command does; `tap_end` is last.
# Works from the top of the tree; $scratch is a folder that is gone at the end.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${FANLIGHT_BUILD:=build}" "${FANLIGHT:=$FANLIGHT_BUILD/fanlight}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tap_count=0 tap_failed=0

check() {
    local name=$1 output
    shift
    tap_count=$((tap_count + 1))
    if output=$("$@" 2>&1); then
        echo "ok $tap_count - $name"
    else
        tap_failed=$((tap_failed + 1))
        echo "not ok $tap_count - $name"
        sed 's/^/# /' <<<"$output"
    fi
}

tap_end() {
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
    exit
}
