# Parts of .github/workflows/images.yml: where images go, and what is told of them. To be sourced; STACKS, TAG and RUNNER_TEMP are set.
# The stacks' files name the repositories: what is pushed is what they will look for.

set -euo pipefail

PROGRAMS="payments vault screening webhooks edge"

# repository CLOUD PROGRAM: as the stack of that cloud names it, without a digest.
repository() {
    local found
    found=$(sed -n "s/^    $2: \([^@ ]*\)@sha256:.*/\1/p" "$STACKS-$1.yaml")
    [[ -n $found ]] || { echo "$STACKS-$1.yaml: trimaran:images: expected an image for $2" >&2; return 1; }
    echo "$found"
}

# registry CLOUD: the host that its images lie at.
registry() {
    local first
    first=$(repository "$1" payments)
    echo "${first%%/*}"
}

# pushed CLOUD: push all that sites run, and keep `PROGRAM REPOSITORY@DIGEST` of each in CLOUD.digests. The digest is what that registry
# answered: one that was only worked out here would name something that nobody has.
pushed() {
    local program to digest
    : > "$RUNNER_TEMP/$1.digests"
    for program in $PROGRAMS; do
        to=$(repository "$1" "$program")
        docker tag "trimaran/$program:built" "$to:$TAG"
        docker push --quiet "$to:$TAG"
        digest=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$to:$TAG" | grep "^$to@sha256:")
        echo "$program $digest" >> "$RUNNER_TEMP/$1.digests"
    done
}

# told CLOUD: the lines for its stack's file.
told() {
    echo "# $STACKS-$1.yaml"
    echo "  trimaran:images:"
    sed 's/^\([a-z]*\) /    \1: /' "$RUNNER_TEMP/$1.digests"
}
