# What have tests left on this machine? Sourced by scripts/test.
#
# Every name a live test gives holds the id of its process: of a run that goes on nothing is a leftover.

# leftover_traces: namespaces, devices and directories of tests whose process has ended, one a line.
leftover_traces() {
    local trace netns
    {
        find /run/netns /run/vpclab "${TMPDIR:-/tmp}" -maxdepth 1 2>/dev/null || true
        # Devices also where somebody else's namespace was the instance: once for each namespace there is.
        { ls -1U /proc/*/ns/net 2>/dev/null || true; } | while read -r netns; do
            printf '%s %s\n' "$(readlink "$netns" || true)" "$netns"
        done | sort -u -k 1,1 | while read -r _ netns; do
            nsenter --net="$netns" ip -o link 2>/dev/null | sed -n 's/.*\(alias vpclab:[^ ]*\).*/device \1/p' || true
        done
    } | while read -r trace; do
        [[ $trace =~ vpclab[-/:]?(t|test-)([0-9]+) ]] || continue
        [ -d "/proc/${BASH_REMATCH[2]}" ] || printf '%s\n' "$trace"
    done | sort -u || true
}

# leftover_processes RUN: living processes that were started with VPCLAB_TEST_RUN=RUN, one a line.
leftover_processes() {
    local process
    grep -lzsxF "VPCLAB_TEST_RUN=$1" /proc/[0-9]*/environ | while read -r process; do
        process=${process#/proc/}
        ps -o pid=,args= -p "${process%/environ}" || true
    done || true
}
