#!/usr/bin/env bash
# Install R with the packages that the lme4 comparisons need. Safe to run again and again.
#
# Set JAXSIM_REQUIRE_R=1 where R must be there (continuous integration): a failure then exits 1.
# Without it a machine that cannot install R gets a message and exit 0, and the tests skip.
set -euo pipefail

needed=(lme4 lmerTest pbkrtest nlme numDeriv emmeans clubSandwich sandwich geepack plm)
# emmeans, broom and broom.mixed are for pymer4; r-base-dev is for building rpy2 (not needed with RPY2_CFFI_MODE=ABI).
debian_packages=(r-base-core r-base-dev r-cran-lme4 r-cran-lmertest r-cran-pbkrtest r-cran-numderiv r-cran-emmeans
                 r-cran-nlme r-cran-clubsandwich r-cran-sandwich r-cran-geepack r-cran-plm r-cran-broom r-cran-broom.mixed)
install_line="apt-get install -y --no-install-recommends ${debian_packages[*]}"

# Prints what is missing, nothing when all is there.
missing() {
    if ! command -v Rscript >/dev/null 2>&1; then
        echo "Rscript ${needed[*]}"
        return
    fi
    Rscript --vanilla -e 'for (p in commandArgs(TRUE)) if (!suppressMessages(requireNamespace(p, quietly = TRUE))) cat(p, "")' \
        "${needed[@]}" 2>/dev/null || echo "a working Rscript"
}

versions() {
    Rscript --vanilla -e 'cat(R.version.string, ""); for (p in commandArgs(TRUE)) cat(p, format(packageVersion(p)), "")' "${needed[@]}"
}

give_up() {
    echo "install_r: missing: $1" >&2
    echo "install_r: $2 Install it as root with: $install_line" >&2
    if [ "${JAXSIM_REQUIRE_R:-0}" = "0" ]; then exit 0; else exit 1; fi
}

lacking="$(missing)"
if [ -n "$lacking" ]; then
    command -v apt-get >/dev/null 2>&1 || give_up "$lacking" "No apt-get here (on other systems install R and these packages your usual way)."
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env DEBIAN_FRONTEND=noninteractive)
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    else
        give_up "$lacking" "Neither root nor passwordless sudo."
    fi
    "${as_root[@]}" apt-get update -qq || echo "install_r: apt-get update failed; trying with the lists at hand" >&2
    "${as_root[@]}" $install_line || give_up "$lacking" "apt-get could not install it."
    lacking="$(missing)"
    [ -z "$lacking" ] || give_up "$lacking" "apt-get finished, yet this does not load."
fi
echo "install_r: ready: $(versions)"
