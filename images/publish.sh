# Parts of .github/workflows/images.yml: what is built from what, what is copied, where it goes, and what is told of it. To be sourced;
# STACKS, TAG and RUNNER_TEMP are set. The stacks' files name the repositories: what is pushed is what they will look for.
#
# What fails ends the run, also inside $( ): 1. No repository is found, and the registry's name is empty. 2. `docker login` without a name
# means the public one. 3. It is told the password of ours.

set -euo pipefail
shopt -s inherit_errexit

IMAGES="payments vault screening webhooks edge controller"
export AWS_WEB_IDENTITY_TOKEN_FILE="$RUNNER_TEMP/aws"

# base FILE: what every image begins with, or is a copy of. Without a digest nothing is built or copied; which one its tag has today is told,
# for somebody to look at.
base() {
    local named now
    named=$(cat "$1")
    if [[ $named =~ ^[^@[:space:]]+@sha256:[0-9a-f]{64}$ ]]; then
        echo "$named"
    else
        now=$(docker buildx imagetools inspect "${named%@*}" --format '{{.Manifest.Digest}}')
        echo "$1: expected a name with a digest; today it is ${named%@*}@$now: look at it, then commit it" >&2
        return 1
    fi
}

# starts PROGRAM: with nothing that it may write to but its volumes, no network and no privilege, it comes as far as its settings, which it
# refuses. One that lacks a package, or a right to its own files, does not come so far.
starts() {
    local said status=0
    said=$(docker run --rm --read-only --network none --cap-drop ALL --env FILE_SETTINGS_TOML="nonsense = true" "trimaran/$1:built" 2>&1) \
        || status=$?
    if [[ $status -ne 2 || $said != *"/run/trimaran/settings.toml: "*"nonsense"* ]]; then
        echo "$1: expected status 2 and a word about its settings, got $status: $said" >&2
        return 1
    fi
}

# is_etcd IMAGE: it has etcd 3.6 where control nodes start it, beside it what an operator needs there, and both run with nothing that they
# may write to, without network or privilege.
is_etcd() {
    local how said
    for how in "etcd --version" "etcdctl version"; do
        said=$(docker run --rm --platform linux/amd64 --read-only --network none --cap-drop ALL \
            --entrypoint "/usr/local/bin/${how% *}" "$1" "${how#* }" 2>&1) || true
        if [[ ! $said =~ ^"${how% *} "[Vv]ersion:" 3.6."[0-9]+ ]]; then
            echo "$1: expected 3.6 of /usr/local/bin/$how, it says: $said" >&2
            return 1
        fi
    done
}

# token AUDIENCE: that this run is who it says; for minutes only, so it is asked for where it is used.
token() {
    curl --fail --silent --show-error --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
        "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=$1" | jq --exit-status --raw-output .value
}

# repository CLOUD PROGRAM: as the stack of that cloud names it, or the control stack for that cloud's node, without a digest.
repository() {
    local found file="$STACKS-$1.yaml" key=trimaran:images
    if [[ $2 == controller || $2 == etcd ]]; then
        file="$STACKS-control.yaml" key="trimaran:control.images.$1"
        found=$(sed -n "/^      $1:\$/,/^      [a-z]*:\$/ s/^        $2: \([^@ ]*\)@sha256:.*/\1/p" "$file")
    else
        found=$(sed -n "s/^    $2: \([^@ ]*\)@sha256:.*/\1/p" "$file")
    fi
    [[ -n $found ]] || { echo "$file: $key: expected an image for $2" >&2; return 1; }
    echo "$found"
}

# registry CLOUD: the host that its images lie at.
registry() {
    local first
    first=$(repository "$1" payments)
    echo "${first%%/*}"
}

# pushed CLOUD: push all that is built here, and keep `PROGRAM REPOSITORY@DIGEST` of each in CLOUD.digests. The digest is what
# that registry answered: one that was only worked out here would name something that nobody has.
pushed() {
    local program to digest
    : > "$RUNNER_TEMP/$1.digests"
    for program in $IMAGES; do
        to=$(repository "$1" "$program")
        docker tag "trimaran/$program:built" "$to:$TAG"
        docker push --quiet "$to:$TAG"
        digest=$(docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$to:$TAG" | grep "^$to@sha256:")
        echo "$program $digest" >> "$RUNNER_TEMP/$1.digests"
    done
}

# mirrored CLOUD IMAGE: copy etcd's image there as it is, so that it has the digest that etcd's own registry gave it, and keep that with the
# others'. What arrives under another one is not what somebody has looked at.
mirrored() {
    local to digest
    to=$(repository "$1" etcd)
    docker buildx imagetools create --prefer-index=false --tag "$to:$TAG" "$2"
    digest=$(docker buildx imagetools inspect "$to:$TAG" --format '{{.Manifest.Digest}}')
    if [[ $digest != "${2#*@}" ]]; then
        echo "$to:$TAG: expected the digest of $2, got $digest" >&2
        return 1
    fi
    echo "etcd $to@$digest" >> "$RUNNER_TEMP/$1.digests"
}

# imported FROM PASSWORD: Azure fetches what was pushed to the cloud FROM, by digest, and azure.digests names it under the same one.
imported() {
    local program source to
    : > "$RUNNER_TEMP/azure.digests"
    while read -r program source; do
        to=$(repository azure "$program")
        az acr import --name "${to%%.*}" --source "$source" --image "${to#*/}:$TAG" --username AWS --password "$2" < /dev/null
        echo "$program $to@${source#*@}" >> "$RUNNER_TEMP/azure.digests"
    done < "$RUNNER_TEMP/$1.digests"
}

# told CLOUD: the lines for its stack's file, and those for the control stack's.
told() {
    echo "# $STACKS-$1.yaml"
    echo "  trimaran:images:"
    sed '/^controller /d; /^etcd /d; s/^\([a-z]*\) /    \1: /' "$RUNNER_TEMP/$1.digests"
    sed -n "s,^\(controller\|etcd\) ,# $STACKS-control.yaml\, trimaran:control.images.$1.\1: ,p" "$RUNNER_TEMP/$1.digests"
}
