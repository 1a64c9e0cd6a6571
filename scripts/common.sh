# What the scripts share: where things are, how packages come in, how progress is shown. Sourced, not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n\033[1m==> %s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }

# Rust as rustup puts it, also where the login shell's PATH does not reach.
if ! command -v cargo >/dev/null && [ -f "$HOME/.cargo/env" ]; then
    # shellcheck disable=SC1091
    . "$HOME/.cargo/env"
fi
command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer with rustup (https://rustup.rs)"

# need_packages PACKAGE...: installs the Debian packages that are missing.
need_packages() {
    local missing=() package
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

# need_cargo_tool BINARY CRATE VERSION: installs a cargo subcommand that is missing.
need_cargo_tool() {
    command -v "$1" >/dev/null && return
    say "Building $2 $3"
    cargo install --locked --debug --quiet "$2" --version "$3"
}
