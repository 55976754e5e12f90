#!/bin/sh
# What CI does with a kcfg repository; action.yml and the recipes of docs/ci.md call it. Needs git and kcfg, and curl to open
# pull requests on GitHub.
#
#   kcfg-ci.sh pull     for a pull or merge request: render and push what is missing to its branch (KCFG_COMMIT=true), check,
#                       compare with the target branch, keep the report as a comment and as a file
#   kcfg-ci.sh branch   for a branch that people merge into: only check; where rendered/ is stale, open a pull request that renders
#
# Variables (defaults in brackets):
#   KCFG [kcfg]                       the program
#   KCFG_COMMIT [true]                pull: whether to push what is missing
#   KCFG_FORK [false]                 pull: true for a pull request from a fork: check and report only, whatever else is set
#   KCFG_BRANCH                       pull: the branch of the pull request; branch: the branch that is checked
#   KCFG_TARGET                       pull: the branch that it is to be merged into
#   KCFG_POST [none]                  github, gitlab or none: where the comment goes, and the pull request of `branch`
#   KCFG_REPORT [kcfg-diff.md]        pull: the file that the whole report is written to
#   KCFG_REPORT_URL                   pull: where that file will be, for the comment to link to
#   KCFG_APPLIED_BRANCHES             further branches that something applies from, besides those that the repository names
#   KCFG_REMOTE [origin]              the remote
#   KCFG_NAME, KCFG_EMAIL             who commits [kcfg, kcfg@localhost]
#
# It never pushes to a branch that is applied from: KCFG_TARGET, the remote's default branch, `branch` of kcfg.yaml and of
# Environment documents, KCFG_APPLIED_BRANCHES. It ends with 0 if all is well, 1 if rendered/ is stale, 2 at an error.
set -eu

KCFG=${KCFG:-kcfg} REMOTE=${KCFG_REMOTE:-origin} REPORT=${KCFG_REPORT:-kcfg-diff.md} POST=${KCFG_POST:-none}
# What a render may change.
RENDERED='rendered kcfg.lock'

say() { printf 'kcfg-ci: %s\n' "$*" >&2; }
fail() { say "$*"; exit 2; }

# Branches that an applier follows, one a line.
applied_branches() {
  printf '%s\n' ${KCFG_TARGET:-} ${KCFG_APPLIED_BRANCHES:-}
  git symbolic-ref --quiet --short "refs/remotes/$REMOTE/HEAD" 2>/dev/null | sed "s|^$REMOTE/||" || true
  git ls-remote --symref "$REMOTE" HEAD 2>/dev/null | sed -n 's|^ref: refs/heads/\(.*\)	HEAD$|\1|p' || true
  documents=$(grep -rlE '^kind: *["'"'"']?Environment' releases 2>/dev/null || true)
  # Names of files hold no line feeds: kcfg refuses them.
  printf '%s\n' "$documents" kcfg.yaml | while IFS= read -r file; do
    [ -f "$file" ] && sed -nE 's/^.*\bbranch: *["'"'"']?([^"'"'"',} #]+).*$/\1/p' "$file"
  done || true
}

# push BRANCH [OPTIONS…]: pushes HEAD to a branch that nobody applies from.
push() {
  to=$1; shift
  case $to in
    ''|-*|*..*|*[[:space:]]*) fail "\`$to\` is no branch to push to" ;;
  esac
  if applied_branches | grep -Fxq -- "$to"; then
    fail "$to is a branch that is applied from: nothing is pushed to it"
  fi
  git push --quiet "$@" "$REMOTE" "HEAD:refs/heads/$to" || {
    say "pushing to $to failed: it moved meanwhile (the run for its newest commit takes over), or the token may not push"
    exit 2
  }
}

# Whether a render left something to commit.
is_changed() { [ -n "$(git status --porcelain --untracked-files=all -- $RENDERED)" ]; }

commit() {
  # A path that is neither there nor known to Git is an error to `git add`.
  for path in $RENDERED; do
    if [ -e "$path" ] || [ -n "$(git ls-files -- "$path")" ]; then git add --all -- "$path"; fi
  done
  git -c "user.name=${KCFG_NAME:-kcfg}" -c "user.email=${KCFG_EMAIL:-kcfg@localhost}" commit --quiet --message "$1"
}

# The commit that the branch left its target at, fetched as deep as it takes.
base() {
  git fetch --quiet --no-tags "$REMOTE" "+refs/heads/$KCFG_TARGET:refs/remotes/$REMOTE/$KCFG_TARGET" >&2
  if ! git merge-base HEAD "refs/remotes/$REMOTE/$KCFG_TARGET" 2>/dev/null; then
    [ "$(git rev-parse --is-shallow-repository)" = true ] && git fetch --quiet --unshallow "$REMOTE" >&2
    git merge-base HEAD "refs/remotes/$REMOTE/$KCFG_TARGET" || fail "HEAD and $KCFG_TARGET have no commit in common"
  fi
}

pull() {
  [ -n "${KCFG_TARGET:-}" ] || fail 'set KCFG_TARGET to the branch that is to be merged into'
  from=$(base)
  if [ "${KCFG_FORK:-false}" = true ]; then
    say 'a pull request from a fork: check and report only'
    POST=none
  elif [ "${KCFG_COMMIT:-true}" = true ]; then
    [ -n "${KCFG_BRANCH:-}" ] || fail 'set KCFG_BRANCH to the branch of the pull request'
    # Whatever else lies around is not ours to commit.
    if is_changed; then fail 'rendered/ has changes that are not committed'; fi
    rendered=0
    "$KCFG" render || rendered=$?
    if is_changed; then
      commit 'Render'
      push "$KCFG_BRANCH"
      say "rendered/ was stale: $(git rev-parse --short HEAD) is pushed to $KCFG_BRANCH"
    fi
    if [ "$rendered" -ne 0 ]; then say 'some releases cannot be rendered (above)'; fi
  fi
  checked=0
  "$KCFG" check || checked=$?
  # The report is made even of a tree with errors: it names them. The comment is folded to fit; the file holds all.
  set -- diff --from "$from" --format markdown --limit 100000000
  if [ -n "${KCFG_REPORT_URL:-}" ]; then set -- "$@" --report-url "$KCFG_REPORT_URL"; fi
  if [ "$POST" != none ]; then set -- "$@" --post "$POST"; fi
  "$KCFG" "$@" > "$REPORT" || checked=2
  exit "$checked"
}

branch() {
  [ -n "${KCFG_BRANCH:-}" ] || fail 'set KCFG_BRANCH to the branch that is checked'
  checked=0
  "$KCFG" check || checked=$?
  # 1 is a stale tree; an error (2) is for people.
  if [ "$checked" -ne 1 ] || [ "$POST" = none ]; then exit "$checked"; fi
  "$KCFG" render || exit 2
  is_changed || exit "$checked"
  title="Render $KCFG_BRANCH" text="The sources of $KCFG_BRANCH give another rendered tree than the one committed there, as happens when two pull requests are merged one after the other. This is the tree they give."
  commit "$title"
  # Our own branch, made anew each time.
  case $POST in
    github) push "kcfg/render-$KCFG_BRANCH" --force; open_github "$title" "$text" ;;
    gitlab)
      push "kcfg/render-$KCFG_BRANCH" --force -o merge_request.create -o "merge_request.target=$KCFG_BRANCH" \
        -o "merge_request.title=$title" -o "merge_request.description=$text" -o merge_request.remove_source_branch ;;
    *) fail "KCFG_POST cannot be \`$POST\`" ;;
  esac
  exit "$checked"
}

# Opens a pull request on GitHub, unless it is open already. The token goes in by standard input: a command line can be read by
# every process of the machine.
open_github() {
  api=${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY
  head=kcfg/render-$KCFG_BRANCH
  [ -n "${GITHUB_TOKEN:-}" ] || fail 'set GITHUB_TOKEN to open a pull request'
  case $head in *[!A-Za-z0-9._/-]*) fail "\`$head\` is no branch to open a pull request from" ;; esac
  request() {
    printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
      curl --silent --show-error --fail-with-body --max-time 60 --retry 3 --config - \
        --header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' "$@"
  }
  open=$(request "$api/pulls?state=open&head=${GITHUB_REPOSITORY%%/*}:$head&base=$KCFG_BRANCH") ||
    fail "the open pull requests cannot be listed: $open"
  case $open in
    *'"number"'*) say "the pull request that renders $KCFG_BRANCH is open already and was brought up to date"; return ;;
  esac
  made=$(request --header 'Content-Type: application/json' \
    --data "{\"title\": \"$1\", \"body\": \"$2\", \"head\": \"$head\", \"base\": \"$KCFG_BRANCH\"}" "$api/pulls") ||
    fail "the pull request cannot be opened: $made (the job needs permissions: {contents: write, pull-requests: write}, and Actions has to be allowed to open pull requests in the settings)"
  say "opened a pull request that renders $KCFG_BRANCH"
}

case ${1:-} in
  pull) pull ;;
  branch) branch ;;
  *) fail 'write `kcfg-ci.sh pull` or `kcfg-ci.sh branch`' ;;
esac
