#!/usr/bin/env bash
# Install Chromium, in which the tests look at reports. Safe to run again and again.
#
# Set JAXSIM_REQUIRE_CHROMIUM=1 where it must be there (continuous integration): a failure then exits 1.
# Without it a machine that cannot install it gets a message and exit 0, and the tests skip.
set -euo pipefail

install_line="apt-get install -y --no-install-recommends chromium"

# The program, and whether it starts: Ubuntu's package of that name is a stub that wants snap.
version() {
    chromium --version 2>/dev/null | grep -i '^chromium'
}

give_up() {
    echo "install_chromium: $1 Install it as root with: $install_line" >&2
    if [ "${JAXSIM_REQUIRE_CHROMIUM:-0}" = "0" ]; then exit 0; else exit 1; fi
}

if ! version >/dev/null; then
    command -v apt-get >/dev/null 2>&1 || give_up "No apt-get here (on other systems install Chromium your usual way, as chromium on the PATH)."
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env DEBIAN_FRONTEND=noninteractive)
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    else
        give_up "Neither root nor passwordless sudo."
    fi
    "${as_root[@]}" apt-get update -qq || echo "install_chromium: apt-get update failed; trying with the lists at hand" >&2
    "${as_root[@]}" $install_line || give_up "apt-get could not install it."
    version >/dev/null || give_up "apt-get finished, yet chromium does not start."
fi
echo "install_chromium: ready: $(version)"
