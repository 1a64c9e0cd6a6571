# What the scripts share: where things are, how packages come in, how progress is shown. Sourced, not run.
set -euo pipefail
# A command that fails inside $(...) fails there, too.
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }

# Rust as rustup puts it, also where the login shell's PATH does not reach.
if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
fi
command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer with rustup (https://rustup.rs)"

# target_directory: where cargo puts what it builds, however it was told.
target_directory() {
    cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# need_packages PACKAGE...: installs the Debian packages that are missing.
need_packages() {
    local missing=() package
    command -v dpkg-query >/dev/null || die "this is not Debian: install what these packages hold, $*, and run the commands in $0"
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ "$(id -u)" = 0 ] || die "these packages are missing: ${missing[*]} (run as root, or install them first)"
    say "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
}

# need_cargo_tool SUBCOMMAND VERSION: puts this version of a cargo subcommand on the PATH, under target/ where the
# user's own is another or missing.
need_cargo_tool() {
    local tool=cargo-$1 version=$2 tools
    tools=$(target_directory)/tools
    export PATH="$tools/bin:$PATH"
    [ "$(cargo "$1" --version 2>/dev/null || true)" = "$tool $version" ] && return
    say "Building $tool $version"
    cargo install --locked --debug --quiet --force --root "$tools" "$tool" --version "$version"
}
