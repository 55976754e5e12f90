# `just` lists the recipes; .ci/run calls the same ones.

_list:
    @just --list --unsorted

# Everything that .ci/run checks and that needs no other program than cargo, before a commit.
check: fmt clippy example test

# Formatting, without changing anything.
fmt:
    cargo fmt --check

# Lints of all targets, with all features and with none; a warning fails.
clippy:
    cargo clippy --locked --all-targets -- -D warnings
    cargo clippy --locked --all-targets --no-default-features -- -D warnings

# Licences, sources and bans of the dependencies (deny.toml). Advisories are left out here: `just advisories`.
deny:
    cargo deny --locked check bans licenses sources

# Known vulnerabilities of the dependencies; asks the advisory database on the network.
advisories:
    cargo deny --locked check advisories

# This repository's own example: is what is committed under rendered/ what its sources give?
example:
    cargo run --quiet --locked -- check

# The documentation, private items too; a broken link fails.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --document-private-items

# All tests; Helm parity is tested against the recordings under fixtures/helm, so no helm is needed. The tests on a control plane build it first.
test *ARGS:
    cargo test --locked {{ARGS}}

# The tests of what there is without the cluster and without the poster of reports.
test-lean *ARGS:
    cargo test --locked --no-default-features {{ARGS}}

# Which functions `kcfg template` runs for some charts, for the order in which a release's functions are linked (needs valgrind).
template-functions +CHARTS:
    cargo build --quiet --locked --release
    ci/template-functions/record.sh target/release/kcfg {{CHARTS}} > target/names.txt
    mv target/names.txt ci/template-functions/names.txt

# The programs of the tests' control plane, where KUBEBUILDER_ASSETS does not hold them: about ten minutes, once (needs Go).
control-plane:
    tests/cluster/control-plane/build.sh

# The image: its files below target/image/root, the loop tried in them (needs root), and packed where there is buildah. Containerfile does the same from base images.
image NAME="kcfg":
    cargo build --quiet --locked --profile dist --bin kcfg
    ci/image/root.sh target/dist/kcfg target/image/root
    KCFG_IMAGE_ROOT="{{justfile_directory()}}/target/image/root" cargo test --locked --test cluster image:: -- --ignored
    ci/image/pack.sh target/image/root "{{NAME}}"

# The same trial with the program of the tests, which is built in a minute.
image-test:
    @unshare --mount true 2>/dev/null || echo "left out: this machine or user may not mount, so nothing can be run in the image's files"
    ! unshare --mount true 2>/dev/null || just _image-trial

_image-trial:
    cargo build --quiet --locked --bin kcfg
    ci/image/root.sh target/debug/kcfg target/image/debug
    KCFG_IMAGE_ROOT="{{justfile_directory()}}/target/image/debug" cargo test --locked --test cluster image:: -- --ignored

# kill -9 during `kcfg render` and `kcfg apply` at many random moments (the tests do it 5 times; SEED moves the moments), the loop for long, then each fuzz target for a while.
soak KILLS="50" SEED="1" FUZZ_SECONDS="60" LOOP_SECONDS="600" SYNCS="10000":
    KCFG_SOAK_KILLS={{KILLS}} KCFG_SOAK_SEED={{SEED}} cargo test --locked --test test attack::kill -- --nocapture
    KCFG_SOAK_KILLS={{KILLS}} KCFG_SOAK_SEED={{SEED}} cargo test --locked --test cluster faults::a_kill -- --nocapture
    just soak-loop {{LOOP_SECONDS}} {{SYNCS}} {{SEED}}
    just soak-fuzz {{FUZZ_SECONDS}}

# The loop: killed with SIGKILL at random moments for so many seconds while commits and drift go on, then so many synchronisations without growing, then leaders stopped so often while another takes over (the tests do all in short).
soak-loop SECONDS="600" SYNCS="10000" SEED="1" STOPS="30":
    KCFG_SOAK_SECONDS={{SECONDS}} KCFG_SOAK_SEED={{SEED}} cargo test --locked --profile release --test cluster soak::a_loop -- --nocapture
    KCFG_SOAK_SYNCS={{SYNCS}} KCFG_SOAK_SEED={{SEED}} cargo test --locked --profile release --test cluster soak::memory -- --nocapture
    KCFG_SOAK_STOPS={{STOPS}} KCFG_SOAK_SEED={{SEED}} cargo test --locked --profile release --test cluster fence:: -- --nocapture

# Records fixtures/helm/*/expected.yaml and expected-error.txt anew with the real helm (needs Go for the first run); --check only compares.
oracle *ARGS:
    tests/oracle/record.sh {{ARGS}}

# Speed: a generated repository (2000 releases of 20 objects, or as many as given) beside cp -r, sha256sum and a tenth of it, and one small chart as a whole process.
bench *NUMBERS:
    cargo bench --quiet --locked --profile release --bench bench -- {{NUMBERS}}

# Speed of `kcfg diff`: ten changes among 50,000 objects of two commits, and files of which everything changed (against dyff, where `just compare-diff` built it).
bench-diff *NUMBERS:
    cargo bench --quiet --locked --profile release --bench bench -- diff {{NUMBERS}}

# kcfg diff beside dyff, git diff and kubectl diff on fixtures/diff/pairs: writes docs/diff-comparison.md (needs Go and Python; kubectl diff, the control plane of the tests).
compare-diff:
    cargo build --quiet --locked --release
    tests/diff/compare.sh

# `kcfg apply` on a control plane of its own (1,000 objects in 50 releases, or as many as given), against kubectl and the bare requests.
bench-cluster *NUMBERS:
    cargo bench --quiet --locked --profile release --bench cluster -- {{NUMBERS}}

# The loop on a control plane of its own (10,000 objects in 500 releases, left alone for 600 s, or as given): commits, drift, quiet, a restart.
bench-loop *NUMBERS:
    cargo bench --quiet --locked --profile release --bench cluster -- loop {{NUMBERS}}

# Leaves the generated repository in a folder.
bench-generate DIR RELEASES OBJECTS:
    cargo bench --quiet --locked --profile release --bench bench -- generate "{{absolute_path(DIR)}}" {{RELEASES}} {{OBJECTS}}

# Speed on any repository (in a copy of it), against the real `helm template` once per release.
bench-repo PATH:
    cargo bench --quiet --locked --profile release --bench bench -- repo "{{absolute_path(PATH)}}"

# What `kcfg render` writes in a repository (of HelmReleases) against what the real helm gives for each release, as data.
compare-repo PATH:
    cargo build --quiet --locked --release
    cd tests/oracle && go run ./compare -repo "{{absolute_path(PATH)}}" -kcfg "{{justfile_directory()}}/target/release/kcfg" -helm "$(./helm.sh)"

# Fuzzes one target of fuzz/ for so many seconds, from the fixtures' inputs on (needs cargo-fuzz); what breaks it is left in fuzz/artifacts.
fuzz TARGET SECONDS="60":
    SEEDS=fuzz/corpus cargo test --quiet --locked --test test fuzz::{{TARGET}}
    cp Cargo.lock fuzz/Cargo.lock
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{TARGET}} -- -max_total_time={{SECONDS}} -dict=fuzz/corpus/{{TARGET}}.dict -max_len=2000 -timeout=25 -rss_limit_mb=2500 -print_final_stats=1

# Each target of fuzz/ for a quarter of an hour, or as many seconds as given.
soak-fuzz SECONDS="900":
    for target in $(cargo fuzz list); do just fuzz "$target" {{SECONDS}} || exit 1; done
